import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { Heartbeat, type HeartbeatOptions } from '../../agent/heartbeat.ts'
import { Unreachable } from '../../agent/retry.ts'
import { AppError } from '../../shared/errors.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../shared/wire.ts'

type Answer = Partial<HeartbeatAnswer> | Error

/** A heartbeat whose waits end when the test says so, and whose coordinator answers what the test gives it. */
function scene(t: TestContext, options: Partial<HeartbeatOptions> = {}) {
  const waits: { ms: number; pass: () => void }[] = []
  const sent: HeartbeatRequest[] = []
  const answers: Answer[] = []
  const waiting: (() => void)[] = []
  const heartbeat = new Heartbeat({
    client: {
      async heartbeat(_, body) {
        sent.push(structuredClone(body))
        const answer = answers.shift() ?? {}
        if (answer instanceof Error) throw answer
        return { directive: 'run', heartbeatSeconds: 20, jobs: [], ...answer }
      },
    },
    workerId: 'w',
    version: '1',
    slots: 2,
    device: null,
    state: () => 'running',
    onDirective: () => {},
    random: () => 0.5,
    async wait(ms, signal) {
      await new Promise<void>((resolve) => {
        signal.addEventListener('abort', () => resolve(), { once: true })
        if (signal.aborted) resolve()
        waits.push({ ms, pass: resolve })
        waiting.shift()?.()
      })
    },
    ...options,
  })
  t.after(() => heartbeat.close())
  /** The next wait the loop enters. */
  const nextWait = async (): Promise<{ ms: number; pass: () => void }> => {
    if (waits.length === 0) await new Promise<void>((resolve) => waiting.push(resolve))
    return waits.shift()!
  }
  return { heartbeat, sent, answers, nextWait }
}

const job = (jobId: string) => ({ jobId, leaseToken: `t-${jobId}`, heartbeatSeconds: 20 })

describe('the heartbeat', () => {
  it('carries all jobs in one request, with what is known of them', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const one = heartbeat.track(job('a'), new AbortController())
    heartbeat.track(job('b'), new AbortController())
    one.update({ stage: 'downloading', ratio: 0.05, mediaSeconds: 60 })
    one.update({ stage: 'downloading', ratio: 0.06 })
    heartbeat.start()
    await nextWait()
    assert.equal(sent.length, 1)
    assert.deepEqual(sent[0]?.jobs, [
      {
        jobId: 'a',
        leaseToken: 't-a',
        stage: 'downloading',
        progress: 0.06,
        mediaSeconds: 60,
        processedSeconds: null,
      },
      {
        jobId: 'b',
        leaseToken: 't-b',
        stage: 'downloading',
        progress: 0,
        mediaSeconds: null,
        processedSeconds: null,
      },
    ])
  })

  for (const [random, ms] of [
    [0, 18_000],
    [0.5, 20_000],
    [1, 22_000],
  ] as const) {
    it(`comes after ${ms} ms when chance is ${random}`, async (t) => {
      const { heartbeat, nextWait } = scene(t, { random: () => random })
      heartbeat.start()
      assert.equal(Math.round((await nextWait()).ms), ms)
    })
  }

  it('comes as often as the coordinator asks', async (t) => {
    const { heartbeat, answers, nextWait } = scene(t)
    answers.push({ heartbeatSeconds: 5 })
    heartbeat.start()
    assert.equal((await nextWait()).ms, 5_000)
  })

  it('comes at once, and once, after changes of stage', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const tracked = heartbeat.track(job('a'), new AbortController())
    heartbeat.start()
    await nextWait()
    tracked.update({ stage: 'probing', ratio: 0.1 })
    const debounce = await nextWait()
    assert.equal(debounce.ms, 250)
    tracked.update({ stage: 'decoding', ratio: 0.11 })
    debounce.pass()
    assert.equal((await nextWait()).ms, 20_000)
    assert.deepEqual(
      sent.map(({ jobs }) => jobs[0]?.stage),
      ['downloading', 'decoding'],
    )
  })

  it('comes at once when a tenth more is done, and once', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const tracked = heartbeat.track(job('a'), new AbortController())
    heartbeat.start()
    await nextWait()
    tracked.update({ stage: 'downloading', ratio: 0.5 })
    const debounce = await nextWait()
    tracked.update({ stage: 'downloading', ratio: 0.55 })
    debounce.pass()
    assert.equal((await nextWait()).ms, 20_000)
    assert.deepEqual(
      sent.map(({ jobs }) => jobs[0]?.progress),
      [0, 0.55],
    )
  })

  it('does not hurry for less progress within a stage', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const tracked = heartbeat.track(job('a'), new AbortController())
    heartbeat.start()
    const wait = await nextWait()
    tracked.update({ stage: 'downloading', ratio: 0.09 })
    assert.equal(sent.length, 1)
    wait.pass()
    await nextWait()
    assert.equal(sent[1]?.jobs[0]?.progress, 0.09)
  })

  for (const [order, code] of [
    ['cancel', 'cancelled'],
    ['superseded', 'lease_lost'],
    ['lost', 'lease_lost'],
  ] as const) {
    it(`aborts the job that gets the order ${order}, and no other`, async (t) => {
      const { heartbeat, sent, answers, nextWait } = scene(t)
      const [mine, other] = [new AbortController(), new AbortController()]
      heartbeat.track(job('a'), mine)
      heartbeat.track(job('b'), other)
      answers.push({
        jobs: [
          { jobId: 'a', order, leaseSeconds: 0 },
          { jobId: 'b', order: 'continue', leaseSeconds: 60 },
        ],
      })
      heartbeat.start()
      const wait = await nextWait()
      assert.ok(mine.signal.reason instanceof AppError)
      assert.equal(mine.signal.reason.code, code)
      assert.equal(other.signal.aborted, false)
      wait.pass()
      await nextWait()
      assert.deepEqual(
        sent[1]?.jobs.map(({ jobId }) => jobId),
        ['b'],
      )
    })
  }

  it('that fails stops no work, and the next one is sent', async (t) => {
    const contacts: unknown[] = []
    const away = new Unreachable('away', null)
    const { heartbeat, sent, answers, nextWait } = scene(t, {
      onContact: (error) => contacts.push(error),
    })
    const controller = new AbortController()
    heartbeat.track(job('a'), controller)
    answers.push(away)
    heartbeat.start()
    ;(await nextWait()).pass()
    await nextWait()
    assert.equal(sent.length, 2)
    assert.equal(controller.signal.aborted, false)
    assert.deepEqual(contacts, [away, null])
  })

  it('brings the directive', async (t) => {
    const directives: string[] = []
    const { heartbeat, answers, nextWait } = scene(t, {
      onDirective: (directive) => directives.push(directive),
    })
    answers.push({ directive: 'drain' })
    heartbeat.start()
    await nextWait()
    assert.deepEqual(directives, ['drain'])
  })

  it('leaves out a job that has ended, and keeps its newer attempt', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const old = heartbeat.track(job('a'), new AbortController())
    heartbeat.track({ ...job('a'), leaseToken: 'newer' }, new AbortController())
    heartbeat.track(job('b'), new AbortController()).stop()
    old.stop()
    heartbeat.start()
    await nextWait()
    assert.deepEqual(
      sent[0]?.jobs.map(({ leaseToken }) => leaseToken),
      ['newer'],
    )
  })
})
