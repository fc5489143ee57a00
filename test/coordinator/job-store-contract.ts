import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import {
  lastAttempt,
  type EndedJob,
  type Job,
  type JobEvent,
  type PendingJob,
  type ProcessingJob,
} from '../../coordinator/job/job.ts'
import { MAX_KINDS } from '../../coordinator/job/queue.ts'
import { UNKNOWN_ABILITY } from '../../coordinator/job/requirements.ts'
import { transition } from '../../coordinator/job/transition.ts'
import type { JobQuery, JobStore, Order, Taken } from '../../coordinator/storage/job-store.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import {
  after,
  at,
  CLAIM,
  failing,
  newJobId,
  NOON,
  pendingJob,
  POLICY,
  result,
} from './example-jobs.ts'
import { until } from './running.ts'

export interface OpenStore {
  store: JobStore
  /** Read by the store, and set by the tests. */
  clock: { now: number }
  /** The same jobs, as another process finds them later. */
  reopen: () => Promise<OpenStore>
}

/** What every store of jobs has to do. @param open one without jobs, closed with the test. */
export function jobStoreContract(name: string, open: (t: TestContext) => Promise<OpenStore>): void {
  describe(`jobs kept ${name}: changes`, () => {
    test('the first job of an id stays, and a later one is told of it', async (t) => {
      const { store } = await open(t)
      const job = pendingJob()
      assert.deepEqual(await created(store, job), { before: null, after: job })
      const other = { ...job, priority: 9 }
      assert.deepEqual(await created(store, other), { before: job, after: job })
      assert.deepEqual(await store.get(job.jobId), job)
    })

    test('each begins with what the one before has made, in the order of their coming', async (t) => {
      const { store } = await open(t)
      const { jobId } = await added(store)
      const seen: number[] = []
      const raise = async (): Promise<unknown> =>
        await store.inTurn(jobId, async () =>
          store.mutate(jobId, (job) => {
            seen.push(job.priority)
            return { ...job, priority: job.priority + 1 }
          }),
        )
      await Promise.all(Array.from({ length: 20 }, raise))
      assert.deepEqual(
        seen,
        Array.from({ length: 20 }, (_, n) => n),
      )
      assert.equal((await store.get(jobId))?.priority, 20)
    })

    test('are there for the next process once they have resolved', async (t) => {
      const { store, reopen } = await open(t)
      const [kept, gone] = [await added(store), await added(store)]
      await applied(store, kept.jobId, { type: 'cancel' })
      await removed(store, gone.jobId)
      const { store: again } = await reopen()
      assert.equal((await again.get(kept.jobId))?.status, 'cancelled')
      assert.equal(await again.get(gone.jobId), undefined)
    })

    test('one that returns the same job, throws, or finds no job leaves everything as it was', async (t) => {
      const { store } = await open(t)
      const job = await added(store)
      const same = await store.inTurn(job.jobId, () => store.mutate(job.jobId, (one) => one))
      assert.equal(same?.before, same?.after)
      const no = new AppError('conflict', 'No.')
      const throwing = store.inTurn(job.jobId, () =>
        store.mutate(job.jobId, () => {
          throw no
        }),
      )
      await assert.rejects(throwing, no)
      const failed = store.inTurn(job.jobId, () =>
        store.mutate(job.jobId, () => Promise.reject(no)),
      )
      await assert.rejects(failed, no)
      assert.deepEqual(await store.get(job.jobId), job)
      const nothing = newJobId()
      assert.equal(await store.inTurn(nothing, () => store.mutate(nothing, (one) => one)), null)
    })

    test('one may wait for what it needs, and is told the time', async (t) => {
      const { store, clock } = await open(t)
      const { jobId } = await added(store)
      clock.now += SECOND
      const mutation = await store.inTurn(jobId, () =>
        store.mutate(jobId, async (job, now) => {
          await Promise.resolve()
          return { ...job, priority: now - NOON }
        }),
      )
      assert.equal(mutation?.after.priority, SECOND)
    })

    test('a removal is decided by the job as it is, and happens once', async (t) => {
      const { store } = await open(t)
      const { jobId } = await added(store)
      const refused = store.inTurn(jobId, () =>
        store.remove(jobId, ({ status }) => {
          throw new AppError('conflict', status)
        }),
      )
      await assert.rejects(refused, /pending/)
      assert.equal((await removed(store, jobId))?.jobId, jobId)
      assert.equal(await removed(store, jobId), null)
      assert.deepEqual(await claimed(store), { again: [], fresh: [] })
    })
  })

  describe(`jobs kept ${name}: claims`, () => {
    test('go by priority, then age, within the content types asked for', async (t) => {
      const { store } = await open(t)
      const young = await added(store, { createdAt: NOON - 1 })
      const old = await added(store, { createdAt: NOON - 2 })
      const video = await added(store, { contentType: 'video', createdAt: NOON - 3 })
      const urgent = await added(store, { priority: 1 })
      await added(store, { contentType: 'document', priority: 9 })
      const { fresh } = await claimed(store, { contentTypes: ['audio', 'video'], most: 10 })
      assert.deepEqual(ids(fresh), ids([urgent, video, old, young]))
      assert.equal(await store.place(old.jobId), null)
    })

    test('skip what the worker lacks or leaves to others, and jobs of the coordinator', async (t) => {
      const { store } = await open(t)
      await added(store, { taskOptions: { requires: { language: 'de' } } })
      const plain = await added(store)
      const ingestion = { local: true } as unknown as NonNullable<PendingJob['ingestion']>
      await added(store, { ingestion })
      const isLeft = (): boolean => true
      assert.deepEqual(await claimed(store, { isLeft }), { again: [], fresh: [] })
      assert.deepEqual(ids((await claimed(store, { most: 9 })).fresh), [plain.jobId])
    })

    test('give no job before its time, and one that is reserved to its worker alone', async (t) => {
      const { store, clock } = await open(t)
      const late = await added(store, { availableAt: NOON + SECOND })
      const reserved = { workerId: 'chosen', untilAt: NOON + MINUTE }
      const kept = await added(store, { reserved })
      assert.deepEqual(ids((await claimed(store)).fresh), [])
      clock.now += SECOND
      assert.deepEqual(ids((await claimed(store, { most: 5 })).fresh), [late.jobId])
      assert.deepEqual(ids((await claimed(store, { workerId: 'chosen' })).fresh), [kept.jobId])
    })

    test('of two hundred at once give each of a hundred jobs once', async (t) => {
      const { store } = await open(t)
      const made: Job[] = []
      for (let n = 0; n < 100; n += 1) made.push(await added(store))
      const all = await Promise.all(
        Array.from({ length: 200 }, (_, n) => claimed(store, { workerId: `w${n}` })),
      )
      const given = all.flatMap(({ fresh }) => ids(fresh))
      assert.deepEqual(given.toSorted(), ids(made).toSorted())
    })

    test('with the same id give the same jobs again, and no others', async (t) => {
      const { store } = await open(t)
      const [one, two] = [await added(store), await added(store)]
      await added(store)
      const again = (job: ProcessingJob): boolean => job.lease.claimId === 'c1'
      const order = { claimId: 'c1', most: 2, isAgain: again }
      assert.deepEqual(ids((await claimed(store, order)).fresh), ids([one, two]))
      const second = await claimed(store, order)
      assert.deepEqual([ids(second.again), ids(second.fresh)], [ids([one, two]), []])
      const stranger = await claimed(store, { ...order, tokenId: 'another token' })
      assert.deepEqual(stranger.again, [])
      assert.equal(stranger.fresh.length, 1)
    })

    test('without an id give what is held again, and others up to what is asked for', async (t) => {
      const { store } = await open(t)
      const [one, two] = [await added(store), await added(store)]
      assert.deepEqual(ids((await claimed(store, { claimId: null })).fresh), [one.jobId])
      const second = await claimed(store, { claimId: null, most: 2, isAgain: () => true })
      assert.deepEqual([ids(second.again), ids(second.fresh)], [[one.jobId], [two.jobId]])
    })

    test('of a job that changes meanwhile take nothing; another is not lost by it', async (t) => {
      const { store } = await open(t)
      const { jobId } = await added(store)
      const cancelling = applied(store, jobId, { type: 'cancel' })
      assert.deepEqual(await claimed(store), { again: [], fresh: [] })
      await cancelling
      assert.equal((await store.get(jobId))?.status, 'cancelled')
    })

    test('that are not wanted any more leave the job for the next, which hears of it', async (t) => {
      const { store } = await open(t)
      const { jobId } = await added(store)
      const announced: string[] = []
      store.onWork((job) => announced.push(job.jobId))
      const unwanted = store.claim(orderOf(), { take: (job) => job, taken: () => assert.fail() })
      assert.deepEqual(await unwanted, { again: [], fresh: [] })
      assert.deepEqual(announced, [jobId])
      assert.deepEqual(ids((await claimed(store)).fresh), [jobId])
    })

    test('are told of in the turn of the job, before its next change', async (t) => {
      const { store } = await open(t)
      const { jobId } = await added(store)
      const told: string[] = []
      let next: Promise<unknown> = Promise.resolve()
      const { take } = takingAs(orderOf())
      const claiming = store.claim(orderOf(), {
        take(job, now) {
          queueMicrotask(() => {
            next = store.inTurn(jobId, async () => told.push('next'))
          })
          return take(job, now)
        },
        taken: (before, after) => told.push(`${before.status} ${after.status}`),
      })
      await claiming
      await next
      assert.deepEqual(told, ['pending processing', 'next'])
    })

    test('a job whose time has come is announced', async (t) => {
      t.mock.timers.enable({ apis: ['setTimeout'] })
      const { store, clock } = await open(t)
      const announced: string[] = []
      store.onWork((job) => announced.push(job.jobId))
      const { jobId } = await added(store, { availableAt: NOON + SECOND })
      clock.now += SECOND
      t.mock.timers.tick(SECOND)
      await until(() => announced.length > 0)
      assert.deepEqual(announced, [jobId])
    })
  })

  describe(`jobs kept ${name}: leases`, () => {
    test('a renewal is seen at once, and an end ends it', async (t) => {
      const { store, clock } = await open(t)
      const { jobId } = await added(store)
      await claimed(store)
      clock.now += SECOND
      const beat = { stage: 'decoding', progress: 0.5, mediaSeconds: 9, processedSeconds: 4 }
      await applied(store, jobId, { type: 'heartbeat', attempt: 1, beat }, clock.now)
      const [held] = await store.heldBy('w1')
      assert.equal(held?.lease.progress, 0.5)
      assert.equal(held?.lease.expiresAt, clock.now + POLICY.leaseMs)
      await applied(store, jobId, { type: 'release', attempt: 1 })
      assert.deepEqual([await store.heldBy('w1'), await store.running()], [[], []])
      assert.deepEqual(ids((await claimed(store)).fresh), [jobId])
    })

    test('a wait for a slot is there for the next process', async (t) => {
      const { store, reopen } = await open(t)
      const { jobId } = await added(store)
      await claimed(store)
      const waits = { stage: 'waiting', progress: 0, mediaSeconds: null, processedSeconds: null }
      await applied(store, jobId, { type: 'heartbeat', attempt: 1, beat: waits })
      const { store: again } = await reopen()
      const [held] = await again.heldBy('w1')
      assert.equal(held?.lease.waitingSinceAt, NOON)
    })

    test('what has run out is overdue: leases, deadlines and waits', async (t) => {
      const { store, clock } = await open(t)
      const [leased, worked] = [await added(store), await added(store)]
      await claimed(store)
      await claimed(store, { claimId: null })
      const waiting = await added(store, { availableAt: NOON + MINUTE })
      const overdue = async (limitMs: number | null): Promise<string[]> =>
        (await store.overdue(limitMs)).map(({ jobId, type }) => `${jobId} ${type}`)
      assert.deepEqual(await overdue(MINUTE), [])
      clock.now += POLICY.leaseMs
      assert.deepEqual(await overdue(MINUTE), [`${leased.jobId} lease_expired`])
      clock.now = NOON + POLICY.deadlineMs['audio']! + MINUTE
      assert.deepEqual(
        (await overdue(MINUTE)).toSorted(),
        [leased, worked, waiting].map(({ jobId }) => `${jobId} deadline_passed`).toSorted(),
      )
      assert.equal((await overdue(null)).length, 2)
    })
  })

  describe(`jobs kept ${name}: reading`, () => {
    test('lists go newest first, in pages that fit together while jobs come', async (t) => {
      const { store } = await open(t)
      const made: Job[] = []
      for (let n = 0; n < 5; n += 1) made.push(await added(store, { createdAt: NOON + n }))
      const first = await store.list({}, 3)
      assert.deepEqual([ids(first.jobs), first.isLast], [ids(made.slice(2).toReversed()), false])
      await added(store, { createdAt: NOON + 9 })
      const second = await store.list({ before: first.jobs.at(-1)! }, 3)
      assert.deepEqual(
        [ids(second.jobs), second.isLast],
        [ids(made.slice(0, 2).toReversed()), true],
      )
      assert.equal((await store.list({}, 6)).isLast, true)
    })

    test('lists are of one submitter, status, content type, worker, or text', async (t) => {
      const { store } = await open(t)
      const mine = await added(store, { submittedBy: 'me', contentType: 'video' })
      const source = { ...mine.source, filename: 'Holiday Talk.mp3' }
      const theirs = await added(store, { submittedBy: 'them', source })
      const nobodys = await added(store)
      await applied(store, nobodys.jobId, CLAIM)
      await applied(store, nobodys.jobId, failing(1, 'invalid_media'))
      const cases: [JobQuery, Job[]][] = [
        [{ submittedBy: 'me' }, [mine]],
        [{ submittedBy: null }, [nobodys]],
        [{ submittedBy: 'nobody' }, []],
        [{ status: 'failed' }, [nobodys]],
        [{ status: 'pending', submittedBy: 'them' }, [theirs]],
        [{ status: 'completed' }, []],
        [{ contentType: 'video' }, [mine]],
        [{ workerId: 'w1' }, [nobodys]],
        [{ text: 'holiday' }, [theirs]],
        [{ text: 'FAILED WITH' }, [nobodys]],
        [{ text: mine.jobId.slice(-6) }, [mine]],
      ]
      for (const [query, jobs] of cases)
        assert.deepEqual(ids((await store.list(query, 9)).jobs), ids(jobs), JSON.stringify(query))
    })

    test('the jobs of a task, newest first', async (t) => {
      const { store } = await open(t)
      const taskId = newJobId()
      const first = await added(store, { jobId: taskId, ingestionTaskId: taskId })
      const second = await added(store, { ingestionTaskId: taskId, createdAt: NOON + 1 })
      assert.deepEqual(ids(await store.ofTask(taskId)), ids([second, first]))
      assert.deepEqual(await store.ofTask(second.jobId), [])
      await removed(store, first.jobId)
      assert.deepEqual(ids(await store.ofTask(taskId)), [second.jobId])
    })

    test('those that ended by an instant, by how they ended', async (t) => {
      const { store } = await open(t)
      const [one, two] = [await added(store), await added(store)]
      await applied(store, one.jobId, { type: 'cancel' }, NOON)
      await applied(store, two.jobId, CLAIM)
      await applied(store, two.jobId, { type: 'succeed', attempt: 1, result: result() }, NOON + 5)
      const ended = async (statuses: EndedJob['status'][], before?: number): Promise<string[]> => {
        const found: string[] = []
        for await (const { jobId } of store.ended(statuses, before)) found.push(jobId)
        return found
      }
      assert.deepEqual(await ended(['completed']), [two.jobId])
      assert.deepEqual((await ended(['cancelled', 'completed'])).toSorted(), ids([one, two]))
      assert.deepEqual(await ended(['cancelled', 'completed'], NOON + 4), [one.jobId])
      assert.deepEqual(await store.waiting(), [])
    })

    test('those of some ids, without those that are not there', async (t) => {
      const { store } = await open(t)
      const [one, two] = [await added(store), await added(store)]
      const found = await store.getMany([two.jobId, newJobId(), one.jobId])
      assert.deepEqual([...found.keys()].toSorted(), ids([one, two]).toSorted())
      assert.deepEqual(found.get(one.jobId), one)
      assert.equal((await store.getMany([])).size, 0)
    })

    test('the last that completed, oldest first', async (t) => {
      const { store } = await open(t)
      const made = [await added(store), await added(store), await added(store)]
      for (const [index, { jobId }] of made.entries()) {
        await applied(store, jobId, CLAIM)
        const success: JobEvent = { type: 'succeed', attempt: 1, result: result() }
        await applied(store, jobId, success, NOON + 9 - index)
      }
      assert.deepEqual(ids(await store.lastCompleted(2)), ids([made[1]!, made[0]!]))
    })

    test('how many of a submitter are open, each once although it is being created', async (t) => {
      const { store } = await open(t)
      const [one, two] = [{ submittedBy: 'me' }, { submittedBy: 'me' }].map(pendingJob)
      await created(store, one!)
      await created(store, two!)
      await added(store, { submittedBy: 'them' })
      await applied(store, one!.jobId, CLAIM)
      assert.equal(await store.openOf('me', []), 2)
      assert.equal(await store.openOf('me', [two!.jobId, newJobId()]), 1)
      await applied(store, one!.jobId, { type: 'cancel' })
      assert.equal(await store.openOf('me', [one!.jobId]), 1)
      await removed(store, two!.jobId)
      assert.equal(await store.openOf('me', []), 0)
    })

    test('kinds of work are as many as may wait, for each submitter', async (t) => {
      const { store } = await open(t)
      const kind = (name: string, submittedBy: string | null = 'me') => ({
        submittedBy,
        contentType: name,
        taskOptions: {},
      })
      await Promise.all(
        Array.from({ length: MAX_KINDS - 1 }, async (_, n) => added(store, kind(`type ${n}`))),
      )
      assert.equal(await store.isOneKindTooMany(kind('one more')), false)
      const { jobId } = await added(store, kind('the last'))
      const asked = [kind('one more'), kind('the last'), kind('one more', null)]
      const tooMany = async (): Promise<boolean[]> =>
        await Promise.all(asked.map(async (one) => await store.isOneKindTooMany(one)))
      assert.deepEqual(await tooMany(), [true, false, false])
      await applied(store, jobId, { type: 'cancel' })
      assert.deepEqual(await tooMany(), [false, false, false])
    })

    test('what a newer version wrote of a job stays when an older one changes it', async (t) => {
      const { store, reopen } = await open(t)
      const newer = { laterFact: { since: 'then' } }
      const { source, attempts } = after(pendingJob(), CLAIM, { type: 'release', attempt: 1 })
      const { jobId } = await added(store, {
        ...newer,
        source: { ...source, ...newer },
        attempts: attempts.map((one) => ({ ...one, ...newer })),
      })
      const older = await reopen()
      await claimed(older.store)
      await applied(older.store, jobId, { type: 'succeed', attempt: 2, result: result() })
      const again = await older.reopen()
      const job = (await again.store.get(jobId))!
      assert.equal(job.status, 'completed')
      for (const part of [job, job.source, job.attempts[0]!])
        assert.deepEqual((part as unknown as typeof newer).laterFact, newer.laterFact)
    })

    test('places and counts follow every change, also of one submitter', async (t) => {
      const { store } = await open(t)
      const first = await added(store, { submittedBy: 'me', priority: 1 })
      const second = await added(store, { availableAt: NOON + 5 })
      const video = await added(store, { contentType: 'video' })
      // A store may answer with counts of some moments ago, where counting takes long.
      const counted = async (
        expected: Record<string, [number, number]>,
        by?: string,
      ): Promise<void> => {
        await until(async () => {
          const counts = (await store.counts(by)).map(({ contentType, counts: jobs }) => [
            contentType,
            [jobs.pending, jobs.processing],
          ])
          return isDeepStrictEqual(Object.fromEntries(counts), expected)
        })
      }
      await counted({ audio: [2, 0], video: [1, 0] })
      await counted({ audio: [1, 0] }, 'me')
      const bytes = first.source.sizeBytes
      assert.deepEqual(await store.place(second.jobId), { position: 2, bytesAhead: bytes })
      await claimed(store)
      await removed(store, video.jobId)
      await counted({ audio: [1, 1] })
      await counted({ audio: [0, 1] }, 'me')
      assert.deepEqual(await store.place(second.jobId), { position: 1, bytesAhead: 0 })
      assert.equal((await store.counts())[0]?.oldestWaitingAt, NOON + 5)
    })
  })
}

const ids = (jobs: readonly Pick<Job, 'jobId'>[]): string[] => jobs.map(({ jobId }) => jobId)

async function created(store: JobStore, job: PendingJob) {
  return await store.inTurn(job.jobId, () => store.create(job))
}

async function added(store: JobStore, different: Partial<PendingJob> = {}): Promise<PendingJob> {
  const job = pendingJob(different)
  await created(store, job)
  return job
}

async function removed(store: JobStore, jobId: string): Promise<Job | null> {
  return await store.inTurn(jobId, () => store.remove(jobId, () => undefined))
}

async function applied(store: JobStore, jobId: string, event: JobEvent, now = NOON): Promise<void> {
  await store.inTurn(jobId, () => store.mutate(jobId, (job) => transition(job, event, at(now))))
}

function orderOf(different: Partial<Order> = {}): Order {
  return {
    workerId: 'w1',
    tokenId: null,
    claimId: 'some claim',
    contentTypes: ['audio'],
    most: 1,
    ability: UNKNOWN_ABILITY,
    ...different,
  }
}

function takingAs({ workerId, tokenId, claimId }: Order): Parameters<JobStore['claim']>[1] {
  const event = { type: 'claim', workerId, tokenId, claimId, leased: claimId !== null } as const
  return {
    take: (job, now) => transition(job, event, at(now)),
    taken: (_, after) => assert.equal(lastAttempt(after)?.workerId, workerId),
  }
}

async function claimed(store: JobStore, different: Partial<Order> = {}): Promise<Taken> {
  const order = orderOf(different)
  return (await store.claim(order, takingAs(order))) ?? { again: [], fresh: [] }
}
