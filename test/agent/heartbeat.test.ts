import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import {
  Heartbeat,
  type Directed,
  type HeartbeatOptions,
  type Tracked,
} from '../../agent/client/heartbeat.ts'
import { Refusal, Unreachable } from '../../shared/refusal.ts'
import { AppError } from '../../shared/errors.ts'
import type { HeartbeatAnswer, HeartbeatRequest } from '../../shared/wire.ts'

const MIB = 1024 * 1024
const WORKER: Directed = { state: 'running', direct: () => undefined }

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
  it('says for how long an attempt expects no progress, up to an hour', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const tracked = heartbeat.track(job('a'), new AbortController())
    tracked.quiet.add(() => performance.now() + 90_000)
    heartbeat.start(WORKER)
    const { pass } = await nextWait()
    assert.equal(Math.round(sent[0]?.jobs[0]?.quietSeconds ?? 0), 90)
    tracked.quiet.add(() => Infinity)
    pass()
    await nextWait()
    assert.equal(sent[1]?.jobs[0]?.quietSeconds, 3_600)
  })

  it('carries all jobs in one request, with what is known of them', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const one = heartbeat.track(job('a'), new AbortController())
    heartbeat.track(job('b'), new AbortController())
    one.update({ stage: 'downloading', ratio: 0.05, mediaSeconds: 60 })
    one.update({ stage: 'downloading', ratio: 0.06 })
    heartbeat.start(WORKER)
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
        quietSeconds: 0,
      },
      {
        jobId: 'b',
        leaseToken: 't-b',
        stage: 'downloading',
        progress: 0,
        mediaSeconds: null,
        processedSeconds: null,
        quietSeconds: 0,
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
      heartbeat.start(WORKER)
      assert.equal(Math.round((await nextWait()).ms), ms)
    })
  }

  it('comes as often as the coordinator asks', async (t) => {
    const { heartbeat, answers, nextWait } = scene(t)
    answers.push({ heartbeatSeconds: 5 })
    heartbeat.start(WORKER)
    assert.equal((await nextWait()).ms, 5_000)
  })

  for (const [seconds, ms] of [
    [0, 1_000],
    [-1, 1_000],
    [2_147_484, 3_600_000],
    [1e12, 3_600_000],
  ] as const) {
    it(`comes after ${ms} ms where ${seconds} s are asked for`, async (t) => {
      const { heartbeat, answers, nextWait } = scene(t)
      answers.push({ heartbeatSeconds: seconds })
      heartbeat.start(WORKER)
      assert.equal((await nextWait()).ms, ms)
    })
  }

  it('comes at once, and once, after changes of stage', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const tracked = heartbeat.track(job('a'), new AbortController())
    heartbeat.start(WORKER)
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
    heartbeat.start(WORKER)
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
    heartbeat.start(WORKER)
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
      heartbeat.start(WORKER)
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
    const away = new Unreachable('away')
    const { heartbeat, sent, answers, nextWait } = scene(t, {
      onContact: (error) => contacts.push(error),
    })
    const controller = new AbortController()
    heartbeat.track(job('a'), controller)
    answers.push(away)
    heartbeat.start(WORKER)
    ;(await nextWait()).pass()
    await nextWait()
    assert.equal(sent.length, 2)
    assert.equal(controller.signal.aborted, false)
    assert.deepEqual(contacts, [away, null])
  })

  it('brings the directive', async (t) => {
    const directives: string[] = []
    const { heartbeat, answers, nextWait } = scene(t)
    answers.push({ directive: 'drain' })
    heartbeat.start({ state: 'running', direct: (directive) => directives.push(directive) })
    await nextWait()
    assert.deepEqual(directives, ['drain'])
  })

  it('leaves out a job that has ended, and keeps its newer attempt', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const old = heartbeat.track(job('a'), new AbortController())
    heartbeat.track({ ...job('a'), leaseToken: 'newer' }, new AbortController())
    heartbeat.track(job('b'), new AbortController()).stop()
    old.stop()
    heartbeat.start(WORKER)
    await nextWait()
    assert.deepEqual(
      sent[0]?.jobs.map(({ leaseToken }) => leaseToken),
      ['newer'],
    )
  })

  it('has announced the agent when its first request is over, whatever came of it', async (t) => {
    const { heartbeat, sent, answers } = scene(t)
    answers.push(new Unreachable('away'))
    heartbeat.start(WORKER)
    await heartbeat.announced
    assert.equal(sent.length, 1)
  })

  it('has no more to announce once it is closed', async (t) => {
    const { heartbeat } = scene(t)
    await heartbeat.close()
    await heartbeat.announced
  })

  it('tells what the agent can do, what it runs on and which slots pause', async (t) => {
    const about = {
      capabilities: { engines: ['moonshine'], models: ['base'], languages: ['en'], features: [] },
      devices: [{ index: 0, name: 'GPU', memoryMb: 8_000, driver: '1', kind: 'cuda' }],
      paused: [{ slot: 1, reason: 'It failed.', until: null }],
    }
    const { heartbeat, sent, nextWait } = scene(t, { about: () => about })
    heartbeat.start(WORKER)
    const wait = await nextWait()
    const { capabilities, devices, paused } = sent[0]!
    assert.deepEqual({ capabilities, devices, paused }, about)
    about.paused = []
    heartbeat.hurry()
    wait.pass()
    ;(await nextWait()).pass()
    await nextWait()
    assert.deepEqual(sent.at(-1)?.paused, [])
  })
})

describe('a checkpoint', () => {
  const told = (sent: readonly HeartbeatRequest[]): unknown[] =>
    sent.map(({ jobs }) => jobs.map(({ checkpoint }) => checkpoint ?? null))

  it('is sent once', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    heartbeat.track(job('a'), new AbortController()).checkpoint({ done: 1 })
    heartbeat.start(WORKER)
    ;(await nextWait()).pass()
    await nextWait()
    assert.deepEqual(told(sent), [[{ done: 1 }], [null]])
  })

  it('is sent again when it did not arrive, or a newer one in its place', async (t) => {
    const { heartbeat, sent, answers, nextWait } = scene(t)
    const [a, b] = ['a', 'b'].map((id) => heartbeat.track(job(id), new AbortController()))
    a?.checkpoint({ done: 1 })
    b?.checkpoint({ done: 10 })
    answers.push(new Unreachable('away'))
    heartbeat.start(WORKER)
    const wait = await nextWait()
    b?.checkpoint({ done: 20 })
    wait.pass()
    await nextWait()
    assert.deepEqual(told(sent), [
      [{ done: 1 }, { done: 10 }],
      [{ done: 1 }, { done: 20 }],
    ])
  })

  it('that comes while another is under way is sent after it', async (t) => {
    let tracked: Tracked | null = null
    const sent: HeartbeatRequest[] = []
    const { heartbeat, nextWait } = scene(t, {
      client: {
        async heartbeat(_, body) {
          sent.push(structuredClone(body))
          if (sent.length === 1) tracked?.checkpoint({ done: 2 })
          return { directive: 'run', heartbeatSeconds: 20, jobs: [] }
        },
      },
    })
    tracked = heartbeat.track(job('a'), new AbortController())
    tracked.checkpoint({ done: 1 })
    heartbeat.start(WORKER)
    ;(await nextWait()).pass()
    await nextWait()
    assert.deepEqual(told(sent), [[{ done: 1 }], [{ done: 2 }]])
  })

  it('that is too long is not sent, and the one before it is', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const tracked = heartbeat.track(job('a'), new AbortController())
    tracked.checkpoint({ done: 1 })
    // Two bytes for each letter.
    tracked.checkpoint({ text: 'é'.repeat(5 * MIB) })
    heartbeat.start(WORKER)
    await nextWait()
    assert.deepEqual(told(sent), [[{ done: 1 }]])
  })

  it('waits for the next request where it does not fit beside the others', async (t) => {
    const { heartbeat, sent, nextWait } = scene(t)
    const long = { text: 'x'.repeat(5 * MIB) }
    for (const id of ['a', 'b']) heartbeat.track(job(id), new AbortController()).checkpoint(long)
    heartbeat.start(WORKER)
    ;(await nextWait()).pass()
    await nextWait()
    assert.deepEqual(
      sent.map(({ jobs }) => jobs.map(({ checkpoint }) => checkpoint !== undefined)),
      [
        [true, false],
        [false, true],
      ],
    )
  })

  it('that the coordinator finds too large costs no lease: the next request comes at once', async (t) => {
    const { heartbeat, sent, answers, nextWait } = scene(t)
    heartbeat.track(job('a'), new AbortController()).checkpoint({ done: 1 })
    answers.push(new Refusal(413, 'too_large', 'too large'))
    heartbeat.start(WORKER)
    // The wait that is over already, and the one that gathers news.
    await nextWait()
    const gathering = await nextWait()
    assert.equal(gathering.ms, 250)
    gathering.pass()
    await nextWait()
    assert.deepEqual(told(sent), [[{ done: 1 }], [null]])
  })
})
