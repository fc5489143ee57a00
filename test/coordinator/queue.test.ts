import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { PendingJob } from '../../coordinator/job/job.ts'
import { JobQueue } from '../../coordinator/job/queue.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'
import { NOON, pendingJob } from './example-jobs.ts'

const AUDIO = ['audio']

function queueOf(...jobs: PendingJob[]): JobQueue {
  const queue = new JobQueue()
  for (const job of jobs) queue.add(job, NOON)
  return queue
}

function takeAll(queue: JobQueue, types = AUDIO, workerId = 'w1', now = NOON): string[] {
  const taken: string[] = []
  for (
    let jobId = queue.take(types, workerId, now);
    jobId !== null;
    jobId = queue.take(types, workerId, now)
  )
    taken.push(jobId)
  return taken
}

function idsOf(...jobs: PendingJob[]): string[] {
  return jobs.map(({ jobId }) => jobId)
}

describe('who is next', () => {
  test('higher priority goes first, then the older job, then the one that was met first', () => {
    const urgent = pendingJob({ priority: 5, createdAt: NOON - 1 })
    const old = pendingJob({ createdAt: NOON - 100 })
    const young = pendingJob({ createdAt: NOON - 50 })
    const twin = pendingJob({ createdAt: NOON - 50 })
    const low = pendingJob({ priority: -1, createdAt: NOON - 1_000 })
    const queue = queueOf(low, young, twin, urgent, old)
    assert.deepEqual(takeAll(queue), idsOf(urgent, old, young, twin, low))
    assert.equal(queue.size, 0)
  })

  test('a worker gets only the content types it asked for, the best of them all', () => {
    const audio = pendingJob({ contentType: 'audio', createdAt: NOON - 2 })
    const video = pendingJob({ contentType: 'video', createdAt: NOON - 1 })
    const urgent = pendingJob({ contentType: 'document', priority: 1 })
    const queue = queueOf(audio, video, urgent)
    assert.equal(queue.take(['image'], 'w1', NOON), null)
    assert.equal(queue.take([], 'w1', NOON), null)
    assert.deepEqual(takeAll(queue, ['video', 'document', 'audio']), idsOf(urgent, audio, video))
  })

  test('content types named like parts of an object are types like any other', () => {
    const types = ['constructor', '__proto__', 'toString']
    const jobs = types.map((contentType) => pendingJob({ contentType }))
    for (const [index, type] of types.entries())
      assert.deepEqual(takeAll(queueOf(...jobs), [type]), [jobs[index]!.jobId])
  })

  test('a job that is taken or removed is gone', () => {
    const [first, second] = [pendingJob(), pendingJob()]
    const queue = queueOf(first, second)
    queue.remove(first.jobId)
    queue.remove('an id it never saw')
    assert.equal(queue.size, 1)
    assert.deepEqual(takeAll(queue), idsOf(second))
  })

  test('a job that is added again is there once, with its new priority', () => {
    const [first, second] = [pendingJob({ priority: 2 }), pendingJob({ priority: 1 })]
    const queue = queueOf(first, second)
    queue.add({ ...first, priority: 0 }, NOON)
    assert.equal(queue.size, 2)
    assert.deepEqual(takeAll(queue), idsOf(second, first))
  })
})

describe('a job that is not yet available', () => {
  const delayed = (ms: number): PendingJob => pendingJob({ availableAt: NOON + ms })

  test('is not given until its instant, and goes by priority and age from then on', () => {
    const waiting = { ...delayed(1_000), priority: 9 }
    const queue = queueOf(waiting)
    const ready = pendingJob()
    queue.add(ready, NOON)
    assert.equal(queue.take(AUDIO, 'w1', NOON + 999), ready.jobId)
    assert.equal(queue.take(AUDIO, 'w1', NOON + 999), null)
    queue.add(ready, NOON)
    assert.equal(queue.take(AUDIO, 'w1', NOON + 1_000), waiting.jobId)
  })

  test('is announced once when it becomes available, the soonest first', () => {
    const [late, soon] = [delayed(2_000), delayed(1_000)]
    const queue = queueOf(late, soon)
    assert.deepEqual(queue.open(NOON + 999), [])
    assert.deepEqual(
      queue.open(NOON + 2_000).map(({ jobId }) => jobId),
      idsOf(soon, late),
    )
    assert.deepEqual(queue.open(NOON + 3_000), [])
  })

  test('the next such instant is known, also after the soonest one left', () => {
    const [late, soon] = [delayed(2_000), delayed(1_000)]
    const queue = queueOf(late, soon, pendingJob())
    assert.equal(queue.nextOpenAt(), NOON + 1_000)
    queue.remove(soon.jobId)
    assert.equal(queue.nextOpenAt(), NOON + 2_000)
    queue.open(NOON + 2_000)
    assert.equal(queue.nextOpenAt(), null)
  })
})

describe('a reserved job', () => {
  const reserved = (different: Partial<PendingJob> = {}): PendingJob =>
    pendingJob({ reserved: { workerId: 'w2', untilAt: NOON + 1_000 }, ...different })

  test('is its worker’s at once and everybody’s when the reservation ends', () => {
    const job = reserved()
    assert.equal(queueOf(job).take(AUDIO, 'w2', NOON), job.jobId)
    const queue = queueOf(job)
    assert.equal(queue.take(AUDIO, 'w1', NOON + 999), null)
    assert.equal(queue.take(['video'], 'w2', NOON + 999), null)
    assert.equal(queue.take(AUDIO, 'w1', NOON + 1_000), job.jobId)
    assert.equal(queue.take(AUDIO, 'w2', NOON + 1_000), null)
  })

  test('stands in line by priority with what everybody may have', () => {
    const urgent = pendingJob({ priority: 1 })
    const job = reserved()
    const young = pendingJob({ createdAt: NOON + 1 })
    assert.deepEqual(takeAll(queueOf(young, job, urgent), AUDIO, 'w2'), idsOf(urgent, job, young))
  })

  test('whose reservation has ended before it is added is everybody’s', () => {
    const job = reserved({ reserved: { workerId: 'w2', untilAt: NOON } })
    assert.equal(queueOf(job).take(AUDIO, 'w1', NOON), job.jobId)
  })

  test('does not mix up workers and types whose names run into each other', () => {
    const job = reserved({
      contentType: 'b"c',
      reserved: { workerId: 'a', untilAt: NOON + 1_000 },
    })
    assert.equal(queueOf(job).take(['c'], 'a","b', NOON), null)
    assert.equal(queueOf(job).take(['b"c'], 'a', NOON), job.jobId)
  })
})

describe('a place in the queue', () => {
  test('counts the jobs of the same type that go before, from 1', () => {
    const [first, second] = [pendingJob({ priority: 1 }), pendingJob()]
    const other = pendingJob({ contentType: 'video', priority: 9 })
    const queue = queueOf(second, other, first)
    assert.equal(queue.place(first.jobId)?.position, 1)
    assert.equal(queue.place(second.jobId)?.position, 2)
    assert.equal(queue.place(other.jobId)?.position, 1)
    queue.remove(first.jobId)
    assert.equal(queue.place(second.jobId)?.position, 1)
    assert.equal(queue.place(first.jobId), null)
  })
})

/** The queue as its rules say it, with no care for speed. */
class NaiveQueue {
  readonly #jobs: PendingJob[] = []

  add(job: PendingJob): void {
    this.remove(job.jobId)
    this.#jobs.push(job)
  }

  remove(jobId: string): void {
    const index = this.#jobs.findIndex((job) => job.jobId === jobId)
    if (index !== -1) this.#jobs.splice(index, 1)
  }

  take(types: readonly string[], workerId: string, now: number): string | null {
    const best = this.#inOrder().find(
      ({ contentType, availableAt, reserved }) =>
        types.includes(contentType) &&
        availableAt <= now &&
        (reserved === null || reserved.untilAt <= now || reserved.workerId === workerId),
    )
    if (best !== undefined) this.remove(best.jobId)
    return best?.jobId ?? null
  }

  nextOpenAt(now: number): number | null {
    const instants = this.#jobs
      .map(({ availableAt, reserved }) => Math.max(availableAt, reserved?.untilAt ?? 0))
      .filter((instant) => instant > now)
    return instants.length === 0 ? null : Math.min(...instants)
  }

  position(jobId: string): number | null {
    const type = this.#jobs.find((job) => job.jobId === jobId)?.contentType
    const line = this.#inOrder().filter(({ contentType }) => contentType === type)
    const index = line.findIndex((job) => job.jobId === jobId)
    return index === -1 ? null : index + 1
  }

  get size(): number {
    return this.#jobs.length
  }

  /** Sorting is stable, so what was met first stays first. */
  #inOrder(): PendingJob[] {
    return this.#jobs.toSorted((a, b) => b.priority - a.priority || a.createdAt - b.createdAt)
  }
}

const TYPES = ['audio', 'video', 'document']
const WORKERS = ['w1', 'w2', 'w3']

/** A job as transitions make them: it is delayed or reserved, never both. */
function anyJob(random: () => number, now: number): PendingJob {
  const kind = random()
  return pendingJob({
    contentType: pick(random, TYPES),
    priority: Math.floor(random() * 3),
    createdAt: now - Math.floor(random() * 20),
    availableAt: kind < 0.3 ? now + Math.floor(random() * 40) : now,
    reserved:
      kind > 0.7
        ? { workerId: pick(random, WORKERS), untilAt: now + Math.floor(random() * 40) - 5 }
        : null,
  })
}

for (let seed = 1; seed <= 10; seed += 1) {
  test(`it does what a naive queue does, over 2000 random steps (seed ${seed})`, () => {
    const random = seededRandom(seed)
    const queue = new JobQueue()
    const model = new NaiveQueue()
    const known: PendingJob[] = []
    let now = NOON
    for (let step = 0; step < 2_000; step += 1) {
      const dice = random()
      if (dice < 0.4) {
        const job = anyJob(random, now)
        known.push(job)
        queue.add(job, now)
        model.add(job)
      } else if (dice < 0.5 && known.length > 0) {
        const again = { ...anyJob(random, now), jobId: pick(random, known).jobId }
        queue.add(again, now)
        model.add(again)
      } else if (dice < 0.6 && known.length > 0) {
        const { jobId } = pick(random, known)
        queue.remove(jobId)
        model.remove(jobId)
      } else if (dice < 0.95) {
        const types = TYPES.filter(() => random() < 0.6)
        const workerId = pick(random, WORKERS)
        assert.equal(queue.take(types, workerId, now), model.take(types, workerId, now))
      } else {
        now += Math.floor(random() * 30)
        queue.open(now)
        assert.equal(queue.nextOpenAt(), model.nextOpenAt(now))
      }
      assert.equal(queue.size, model.size)
      if (step % 50 === 0 && known.length > 0) {
        const { jobId } = pick(random, known)
        assert.equal(queue.place(jobId)?.position ?? null, model.position(jobId))
      }
    }
  })
}

test('a claim costs about the same with 100 000 jobs waiting as with 1 000', () => {
  const costOf = (waiting: number): number => {
    const queue = new JobQueue()
    const random = seededRandom(1)
    for (let n = 0; n < waiting; n += 1)
      queue.add(pendingJob({ priority: Math.floor(random() * 10), createdAt: NOON - n }), NOON)
    const rounds = Array.from({ length: 5 }, () => {
      const start = performance.now()
      for (let n = 0; n < 200; n += 1) queue.take(AUDIO, 'w1', NOON)
      return performance.now() - start
    })
    return Math.min(...rounds)
  }
  const few = costOf(1_000)
  // A linear search would cost a hundred times as much; the logarithm, not quite twice.
  assert.ok(costOf(100_000) < few * 25, `${few} ms against ${costOf(100_000)} ms`)
})
