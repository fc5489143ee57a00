import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { overSlots } from '../../agent/gpu/over-slots.ts'
import { Slots, type Slot } from '../../agent/gpu/slots.ts'
import { AppError } from '../../shared/errors.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'
import { SEED } from '../shared/kills.ts'

function slotsOf(count: number): Slots {
  return new Slots(Array.from({ length: count }, (_, index) => ({ index, gpu: null })))
}

interface Running {
  slot: Slot
  end: () => void
  fail: (error: unknown) => void
}

/** A job with named tasks that last until the test ends them. */
function job(slots: Slots, jobId: string, names: readonly string[]) {
  const running = new Map<string, Running>()
  const begun: string[] = []
  const done: string[] = []
  const leave = new AbortController()
  const run = async (name: string, slot: Slot, signal: AbortSignal): Promise<void> => {
    begun.push(name)
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => reject(signal.reason as Error))
      running.set(name, { slot, end: resolve, fail: reject })
    }).finally(() => running.delete(name))
    done.push(name)
  }
  const work = { jobId, signal: leave.signal, begin: async () => names, run }
  const ended = overSlots(slots, work)
  ended.catch(() => undefined)
  return {
    tasks: names,
    running,
    begun,
    done,
    leave,
    ended,
    names: () => [...running.keys()].toSorted(),
  }
}

const broken = new AppError('engine_failed', 'broken')

async function settle(): Promise<void> {
  for (let i = 0; i < 5; i++) await turn()
}

describe('a job with several tasks', () => {
  it('runs them on every free slot, in order, and gives back each slot that has none left', async () => {
    const slots = slotsOf(3)
    const one = job(slots, 'one', ['a', 'b', 'c', 'd'])
    await settle()
    assert.deepEqual([one.names(), slots.free], [['a', 'b', 'c'], 0])
    one.running.get('b')!.end()
    await settle()
    assert.deepEqual([one.names(), slots.free], [['a', 'c', 'd'], 0])
    one.running.get('a')!.end()
    one.running.get('d')!.end()
    await settle()
    assert.deepEqual([one.names(), slots.free], [['c'], 2])
    one.running.get('c')!.end()
    await one.ended
    assert.deepEqual([one.begun, slots.free], [['a', 'b', 'c', 'd'], 3])
  })

  it('takes no slot for a task that has begun', async () => {
    const slots = slotsOf(3)
    const one = job(slots, 'one', ['a', 'b'])
    await settle()
    assert.deepEqual([one.names(), slots.free], [['a', 'b'], 1])
    one.leave.abort(broken)
    await assert.rejects(one.ended, broken)
  })

  it('takes a slot that becomes free while it runs', async () => {
    const slots = slotsOf(2)
    const held = await slots.acquire(new AbortController().signal)
    const one = job(slots, 'one', ['a', 'b', 'c'])
    await settle()
    assert.deepEqual(one.names(), ['a'])
    slots.release(held)
    await settle()
    assert.deepEqual(one.names(), ['a', 'b'])
    one.leave.abort(broken)
    await assert.rejects(one.ended, broken)
  })

  it('does nothing more where there is none', async () => {
    const slots = slotsOf(2)
    await job(slots, 'one', []).ended
    assert.equal(slots.free, 2)
  })
})

describe('a job that waits', () => {
  for (const first of ['a', 'b']) {
    it(`gets the slot of whichever task ends first (${first})`, async () => {
      const slots = slotsOf(2)
      const one = job(slots, 'one', ['a', 'b', 'c', 'd'])
      await settle()
      const other = job(slots, 'other', ['x', 'y'])
      await settle()
      assert.deepEqual(other.names(), [])
      const { slot } = one.running.get(first)!
      one.running.get(first)!.end()
      await settle()
      assert.equal(other.running.get('x')?.slot, slot)
      assert.equal(one.names().length, 1)
      // The one that is left goes on with what is left.
      for (const name of ['a', 'b', 'c', 'd']) {
        one.running.get(name)?.end()
        await settle()
      }
      await one.ended
      assert.deepEqual(one.begun, ['a', 'b', 'c', 'd'])
      other.running.get('x')!.end()
      other.running.get('y')!.end()
      await other.ended
      assert.equal(slots.free, 2)
    })
  }

  it('waits no longer than until the next task ends, however many jobs there are', async () => {
    const slots = slotsOf(3)
    const one = job(slots, 'one', ['a', 'b', 'c', 'd', 'e', 'f'])
    await settle()
    const second = job(slots, 'second', ['x', 'y'])
    const third = job(slots, 'third', ['u', 'v'])
    await settle()
    one.running.get('c')!.end()
    await settle()
    assert.deepEqual([second.names(), third.names()], [['x'], []])
    one.running.get('a')!.end()
    await settle()
    assert.deepEqual([one.names(), second.names(), third.names()], [['b'], ['x'], ['u']])
    for (const { leave, ended } of [one, second, third]) {
      leave.abort(broken)
      await assert.rejects(ended, broken)
    }
  })

  it('has as many slots as the others once their tasks end', async () => {
    const slots = slotsOf(4)
    const one = job(slots, 'one', tasksOf('a', 12))
    await settle()
    const other = job(slots, 'other', tasksOf('b', 12))
    for (let round = 0; round < 6; round++) {
      one.running.get(one.names()[0]!)!.end()
      await settle()
    }
    assert.deepEqual([one.running.size, other.running.size], [2, 2])
    for (const { leave, ended } of [one, other]) {
      leave.abort(broken)
      await assert.rejects(ended, broken)
    }
  })
})

describe('a slot on which the engine fails', () => {
  it('is given up, and another one repeats the task', async () => {
    const slots = slotsOf(2)
    const noted: [number, unknown][] = []
    slots.note = ({ index }, _jobId, error) => void noted.push([index, error])
    const one = job(slots, 'one', ['a', 'b', 'c'])
    await settle()
    one.running.get('a')!.fail(broken)
    await settle()
    assert.deepEqual([one.names(), slots.free], [['b'], 1])
    for (const name of ['b', 'a', 'c']) {
      one.running.get(name)!.end()
      await settle()
    }
    await one.ended
    assert.deepEqual(one.begun, ['a', 'b', 'a', 'c'])
    assert.deepEqual(noted, [
      [0, broken],
      [1, null],
    ])
    assert.equal(slots.free, 2)
  })

  it('fails the job when it is the only one, or the second one', async () => {
    const slots = slotsOf(3)
    const one = job(slots, 'one', ['a', 'b', 'c', 'd'])
    await settle()
    const second = new AppError('engine_failed', 'the second')
    one.running.get('a')!.fail(broken)
    await settle()
    one.running.get('b')!.fail(second)
    await assert.rejects(one.ended, second)
    assert.equal(slots.free, 3)
    const single = slotsOf(1)
    const alone = job(single, 'alone', ['a', 'b'])
    await settle()
    alone.running.get('a')!.fail(broken)
    await assert.rejects(alone.ended, broken)
    assert.deepEqual([alone.begun, single.free], [['a'], 1])
  })

  it('fails the job at once where the recording is at fault', async () => {
    const slots = slotsOf(2)
    const one = job(slots, 'one', ['a', 'b', 'c'])
    await settle()
    const error = new AppError('unsupported_language', 'which one?')
    one.running.get('b')!.fail(error)
    await assert.rejects(one.ended, error)
    assert.deepEqual([one.running.size, slots.free], [0, 2])
  })

  it('is noted when the job fails before its first task', async () => {
    const slots = slotsOf(2)
    const noted: unknown[] = []
    slots.note = (_slot, _jobId, error) => void noted.push(error)
    const work = { jobId: 'one', signal: new AbortController().signal, run: async () => undefined }
    await assert.rejects(overSlots(slots, { ...work, begin: () => Promise.reject(broken) }), broken)
    assert.deepEqual([noted, slots.free], [[broken], 2])
  })
})

describe('a job that is cancelled', () => {
  it('ends with the reason once all its tasks have, and blames no slot', async () => {
    const slots = slotsOf(2)
    slots.note = () => assert.fail('no slot is at fault')
    const ends: (() => void)[] = []
    const leave = new AbortController()
    let isOver = false
    const ended = overSlots(slots, {
      jobId: 'one',
      signal: leave.signal,
      begin: async () => ['a', 'b', 'c'],
      async run(_name, _slot, signal) {
        await new Promise<void>((resolve) => ends.push(resolve))
        signal.throwIfAborted()
      },
    }).finally(() => (isOver = true))
    ended.catch(() => undefined)
    await settle()
    const reason = new AppError('cancelled', 'enough')
    leave.abort(reason)
    ends[0]!()
    await settle()
    assert.deepEqual([isOver, slots.free, ends.length], [false, 1, 2])
    ends[1]!()
    await assert.rejects(ended, (error) => error === reason)
    assert.equal(slots.free, 2)
  })

  it('leaves the line', async () => {
    const slots = slotsOf(1)
    const held = await slots.acquire(new AbortController().signal)
    const one = job(slots, 'one', ['a'])
    one.leave.abort(broken)
    await assert.rejects(one.ended, broken)
    slots.release(held)
    assert.equal(slots.free, 1)
  })
})

function tasksOf(prefix: string, count: number): string[] {
  return Array.from({ length: count }, (_, n) => `${prefix}${n}`)
}

function waitingOf(jobs: readonly ReturnType<typeof job>[]): number {
  return jobs.filter(
    ({ tasks, begun, leave }) => tasks.length > 0 && begun.length === 0 && !leave.signal.aborted,
  ).length
}

/** Ends one of a job's tasks, or the job. @returns false when not well. */
function endOne(random: () => number, { running, leave }: ReturnType<typeof job>): boolean {
  const task = pick(random, [...running.values()])
  const chance = random()
  if (chance < 0.03) leave.abort(broken)
  else if (chance < 0.1) task.fail(broken)
  else task.end()
  return chance >= 0.1
}

async function complete({ ended, done, tasks }: ReturnType<typeof job>, hasFailed: boolean) {
  const error = await ended.then(
    () => null,
    (thrown: unknown) => thrown,
  )
  if (error !== null) assert.ok(error === broken && hasFailed)
  else assert.deepEqual(done.toSorted(), tasks)
}

describe('jobs whose tasks end, fail and are cancelled by chance', () => {
  it(`share the slots: each task is done once, and no job waits for another to have two (seed ${SEED})`, async () => {
    const random = seededRandom(SEED)
    for (let round = 0; round < 60; round++) {
      const slots = slotsOf(1 + Math.floor(random() * 4))
      const jobs: ReturnType<typeof job>[] = []
      const count = 1 + Math.floor(random() * 4)
      const failed = new Set<object>()
      // A slot that pauses would not be given to a job that waits.
      slots.note = () => undefined
      for (;;) {
        if (jobs.length < count && random() < 0.3) {
          const tasks = tasksOf(`${jobs.length}.`, Math.floor(random() * 10))
          jobs.push(job(slots, `j${jobs.length}`, tasks))
        }
        await settle()
        const busy = jobs.flatMap(({ running }) => [...running.values()].map(({ slot }) => slot))
        assert.equal(new Set(busy).size, busy.length, 'one task at a time on a slot')
        assert.equal(busy.length, slots.busy)
        const active = jobs.filter(({ running }) => running.size > 0)
        if (active.length === 0 && jobs.length === count) break
        if (active.length === 0) continue
        const one = pick(random, active)
        const hadSeveral = one.running.size > 1
        const before = waitingOf(jobs)
        if (!endOne(random, one)) failed.add(one)
        await settle()
        if (hadSeveral && before > 0) assert.ok(waitingOf(jobs) < before)
      }
      for (const one of jobs) await complete(one, failed.has(one))
      assert.equal(slots.free, slots.count)
    }
  })
})
