import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { pino } from 'pino'
import { ChoreRunner, type Chore } from '../../coordinator/chores.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'

interface Scene {
  runner: ChoreRunner
  /** What was done, in order. */
  done: string[]
  /** By name, what goes wrong with a chore. */
  faults: Map<string, Error>
  logged: string[]
  steady: { now: number }
}

function scene(...chores: [name: string, everyMs: number][]): Scene {
  const done: string[] = []
  const faults = new Map<string, Error>()
  const logged: string[] = []
  const steady = { now: 1_000 }
  const log = pino({ base: null }, { write: (line: string) => void logged.push(line) })
  const all = chores.map(([name, everyMs]): Chore => ({
    name,
    everyMs,
    async run() {
      done.push(name)
      const fault = faults.get(name)
      if (fault !== undefined) throw fault
    },
  }))
  return {
    runner: new ChoreRunner(all, log, { steady: () => steady.now }),
    done,
    faults,
    logged,
    steady,
  }
}

const FULL = new AppError('no_space', 'There is no disk space left.')

describe('the chores', () => {
  test('goes on with the other chores when one fails: what would free a full disk is one of them', async () => {
    const { runner, done, faults } = scene(['leases', SECOND], ['retention', SECOND])
    faults.set('leases', FULL)
    await runner.pass()
    assert.deepEqual(done, ['leases', 'retention'])
  })

  test('logs a failure once for each cause, without the stack of a foreseen one, and its end', async () => {
    const { runner, faults, logged, steady } = scene(['retention', SECOND])
    const pass = async (fault: Error | null): Promise<void> => {
      if (fault === null) faults.clear()
      else faults.set('retention', fault)
      steady.now += SECOND
      await runner.pass()
    }
    const denied = (file: string): Error =>
      Object.assign(new Error(`EACCES: permission denied, unlink '${file}'`), { code: 'EACCES' })
    for (const fault of [FULL, FULL, FULL, denied('a'), denied('b'), null, null, FULL])
      await pass(fault)
    const lines = logged.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      lines.map(({ level, code, err }) => [level, code ?? (err as { code?: string } | null)?.code]),
      [
        [40, 'no_space'],
        [50, 'EACCES'],
        [30, undefined],
        [40, 'no_space'],
      ],
    )
    assert.match(String(lines[0]?.['msg']), /retention.*no disk space/)
    assert.doesNotMatch(logged[0]!, /stack/)
  })

  test('does a chore when its time has passed, and never twice at once', async () => {
    const { runner, done, steady } = scene(['leases', SECOND], ['retention', MINUTE])
    for (let pass = 0; pass < 61; pass += 1) {
      await runner.pass()
      steady.now += SECOND
    }
    assert.equal(done.filter((name) => name === 'leases').length, 61)
    assert.equal(done.filter((name) => name === 'retention').length, 2)
  })

  test('ends leases while a retention with much to remove goes on, and never begins that twice', async () => {
    const steady = { now: 1_000 }
    const done: string[] = []
    const finish: (() => void)[] = []
    const slow = async (): Promise<void> => {
      done.push('retention')
      await new Promise<void>((resolve) => finish.push(resolve))
    }
    const chores: Chore[] = [
      { name: 'retention', everyMs: SECOND, run: slow },
      { name: 'leases', everyMs: SECOND, run: async () => void done.push('leases') },
    ]
    const runner = new ChoreRunner(chores, pino({ enabled: false }), { steady: () => steady.now })
    const first = runner.pass()
    await nextTurn()
    steady.now += SECOND
    await runner.pass()
    assert.deepEqual(done, ['retention', 'leases', 'leases'])
    finish[0]!()
    await first
    steady.now += SECOND
    const last = runner.pass()
    assert.deepEqual(done, ['retention', 'leases', 'leases', 'retention', 'leases'])
    finish[1]!()
    await last
  })

  test('begins nothing once it must not, not in the pass that finds it out, and has what is under way give up', async () => {
    let isOurs = true
    const done: string[] = []
    const chores: Chore[] = [
      {
        name: 'long',
        everyMs: MINUTE,
        async run(signal) {
          await once(signal, 'abort')
          done.push('gave up')
        },
      },
      { name: 'leases', everyMs: SECOND, run: async () => void done.push('leases') },
    ]
    const steady = { now: 1_000 }
    const runner = new ChoreRunner(chores, pino({ enabled: false }), {
      steady: () => steady.now,
      mayGoOn: () => isOurs,
    })
    const first = runner.pass()
    await nextTurn()
    assert.deepEqual(done, ['leases'])
    isOurs = false
    steady.now += MINUTE
    await runner.pass()
    await first
    assert.deepEqual(done, ['leases', 'gave up'])
    isOurs = true
    steady.now += MINUTE
    await runner.pass()
    assert.deepEqual(done, ['leases', 'gave up'], 'what is lost is lost')
  })

  test('that is stopped has a chore that is under way give up, and waits for it', async () => {
    let ended = false
    const run = async (signal: AbortSignal): Promise<void> => {
      await once(signal, 'abort')
      ended = true
    }
    const runner = new ChoreRunner(
      [{ name: 'retention', everyMs: SECOND, run }],
      pino({ enabled: false }),
    )
    const pass = runner.pass()
    await runner.stop()
    assert.equal(ended, true)
    await pass
  })
})
