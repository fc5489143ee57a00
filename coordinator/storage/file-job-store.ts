import { setImmediate as nextTurn } from 'node:timers/promises'
import type { Logger } from 'pino'
import { HOUR } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import {
  hasEnded,
  lastAttempt,
  openAtOf,
  type CompletedJob,
  type EndedJob,
  type Job,
  type PendingJob,
  type ProcessingJob,
} from '../job/job.ts'
import { overdue, type Overdue } from '../job/lease.ts'
import type { Policy } from '../job/policy.ts'
import { JobQueue, type Place } from '../job/queue.ts'
import { Tally, type TypeCounts } from '../job/tally.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import type {
  Change,
  JobPage,
  JobQuery,
  JobStore,
  Mutation,
  Order,
  Taken,
  Taking,
} from './job-store.ts'
import { JobTerms } from './job-terms.ts'
import type { JobRows } from './job-table.ts'

export interface FileJobStoreOptions {
  table: JobRows
  now: () => number
  log: Logger
}

/** A search looks at so many jobs before it lets others have a turn. */
const SLICE = 1_000

/** The jobs of a data folder, which this process alone changes: reads and choices are of its memory. */
export class FileJobStore implements JobStore {
  readonly now: () => number
  readonly queue = new JobQueue()
  /** For clock steps, standstills and the start. */
  readonly terms: JobTerms
  readonly #table: JobRows
  readonly #turns = new KeyedMutex()
  /** By submitter; undefined: of all. Made when they are asked for. */
  readonly #tallies = new Map<string | null | undefined, Tally>()
  readonly #listeners: ((job: PendingJob) => void)[] = []
  #timer: NodeJS.Timeout | null = null
  #timerAt: number | null = null

  constructor({ table, now, log }: FileJobStoreOptions) {
    this.#table = table
    this.now = now
    this.terms = new JobTerms({ table, queue: this.queue, now, log })
  }

  /** As {@link JobTerms.resume}. */
  async resume(policy: Policy): Promise<void> {
    await this.terms.resume(policy)
    // Counted before requests come.
    await this.counts()
    this.#arm()
  }

  async get(jobId: string): Promise<Job | undefined> {
    return this.#table.get(jobId)
  }

  async getMany(jobIds: readonly string[]): Promise<Map<string, Job>> {
    const found = jobIds.map((jobId) => this.#table.get(jobId)).filter((job) => job !== undefined)
    return new Map(found.map((job) => [job.jobId, job]))
  }

  async list(query: JobQuery, most: number): Promise<JobPage> {
    const fits = matcherOf(query)
    const jobs: Job[] = []
    for (let { before } = query; ; await nextTurn()) {
      let looked = 0
      for (const job of this.#table.newest({ ...query, before })) {
        if (fits(job) && jobs.push(job) > most) return { jobs: jobs.slice(0, most), isLast: false }
        before = job
        looked += 1
        if (looked === SLICE) break
      }
      if (looked < SLICE) return { jobs, isLast: true }
    }
  }

  async ofTask(taskId: string): Promise<Job[]> {
    return this.#table.ofTask(taskId)
  }

  async heldBy(workerId: string): Promise<ProcessingJob[]> {
    return this.#table.heldBy(workerId)
  }

  async waiting(): Promise<PendingJob[]> {
    return [...this.#table.inStatus('pending')]
  }

  async running(): Promise<ProcessingJob[]> {
    return [...this.#table.inStatus('processing')]
  }

  async *ended(
    statuses: readonly EndedJob['status'][],
    before = Infinity,
  ): AsyncGenerator<EndedJob> {
    const found: EndedJob[] = []
    for (const status of statuses)
      for (const job of this.#table.inStatus(status)) if (job.completedAt <= before) found.push(job)
    yield* found
  }

  async lastCompleted(most: number): Promise<CompletedJob[]> {
    const jobs = [...this.#table.inStatus('completed')]
    return jobs.sort((a, b) => a.completedAt - b.completedAt).slice(-most)
  }

  async openOf(submittedBy: string, besides: readonly string[]): Promise<number> {
    const others = besides.filter((jobId) => {
      const job = this.#table.get(jobId)
      return job?.submittedBy === submittedBy && !hasEnded(job)
    })
    return this.#table.openOf(submittedBy) - others.length
  }

  async overdue(queueLimitMs: number | null): Promise<Overdue[]> {
    const now = this.now()
    const due: Overdue[] = []
    for (const { jobId, lease } of this.#table.inStatus('processing')) {
      const type = overdue(lease, now)
      if (type !== null) due.push({ jobId, type })
    }
    if (queueLimitMs !== null)
      for (const job of this.#table.inStatus('pending'))
        if (openAtOf(job) + queueLimitMs <= now)
          due.push({ jobId: job.jobId, type: 'deadline_passed' })
    return due
  }

  async counts(submittedBy?: string | null): Promise<TypeCounts[]> {
    let tally = this.#tallies.get(submittedBy)
    if (tally === undefined)
      this.#tallies.set(submittedBy, (tally = new Tally(this.#table.newest({ submittedBy }))))
    return [...tally.types()]
  }

  async place(jobId: string): Promise<Place | null> {
    return this.queue.place(jobId)
  }

  check(): void {
    this.#table.check()
  }

  async inTurn<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    return await this.#turns.take(jobId, work)
  }

  async create(job: PendingJob): Promise<Mutation<Job | null>> {
    const known = this.#table.get(job.jobId)
    if (known !== undefined) return { before: known, after: known }
    const after = await this.terms.write(job)
    this.#changed(null, after)
    return { before: null, after }
  }

  async mutate(jobId: string, change: Change): Promise<Mutation | null> {
    // First: reading the clock may shift the job's times.
    const now = this.now()
    const before = this.#table.get(jobId)
    if (before === undefined) return null
    const made = change(before, now)
    if (made === before) return { before, after: before }
    if (
      !(made instanceof Promise) &&
      before.status === 'processing' &&
      made.status === 'processing'
    )
      return { before, after: await this.terms.renew(before, made) }
    const after = await this.terms.write(made, before)
    if (after !== before) this.#changed(before, after)
    return { before, after }
  }

  async remove(jobId: string, may: (job: Job) => void): Promise<Job | null> {
    const job = this.#table.get(jobId)
    if (job === undefined) return null
    may(job)
    await this.#table.remove(jobId)
    this.#changed(job, null)
    return job
  }

  async isOneKindTooMany(
    job: Pick<PendingJob, 'submittedBy' | 'contentType' | 'taskOptions'>,
  ): Promise<boolean> {
    return this.queue.isOneKindTooMany(job)
  }

  claim(order: Order, taking: Taking): Promise<Taken> | null {
    const { workerId, tokenId, isAgain } = order
    const again =
      isAgain === undefined
        ? []
        : this.#table
            .heldBy(workerId)
            .filter((job) => lastAttempt(job)!.tokenId === tokenId && isAgain(job))
            .slice(0, order.most)
    const most = again.length > 0 && order.claimId !== null ? 0 : order.most - again.length
    const ids = this.#take(order, most)
    if (ids.length > 0) return this.#hold(ids, taking).then((fresh) => ({ again, fresh }))
    return again.length === 0 ? null : Promise.resolve({ again, fresh: [] })
  }

  onWork(listener: (job: PendingJob) => void): void {
    this.#listeners.push(listener)
  }

  close(): void {
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  /** Takes jobs out of the queue. */
  #take({ contentTypes, workerId, ability, isLeft }: Order, most: number): string[] {
    const now = this.now()
    const opened = this.queue.open(now)
    const ids: string[] = []
    while (ids.length < most) {
      const jobId = this.queue.take(contentTypes, workerId, now, ability, isLeft)
      if (jobId === null) break
      ids.push(jobId)
    }
    // Later: listeners may be about to give this worker something.
    if (opened.length > 0) queueMicrotask(() => this.#announce(opened))
    return ids
  }

  async #hold(ids: readonly string[], taking: Taking): Promise<ProcessingJob[]> {
    const settled = await Promise.allSettled(ids.map((jobId) => this.#holdOne(jobId, taking)))
    const held = settled.flatMap((one) =>
      one.status === 'fulfilled' && one.value !== null ? [one.value] : [],
    )
    const failure = settled.find((one) => one.status === 'rejected')
    if (held.length === 0 && failure !== undefined) throw failure.reason
    return held
  }

  /** Claims a job that was taken out of the queue; null when it has changed, or is not wanted any more. */
  async #holdOne(jobId: string, { take, taken }: Taking): Promise<ProcessingJob | null> {
    try {
      const held = await this.inTurn(jobId, async () => {
        const { before, after } = (await this.mutate(jobId, take)) ?? {}
        if (before === undefined || before === after || after?.status !== 'processing') return null
        taken(before, after)
        return after
      })
      if (held !== null) return held
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'conflict')) {
        // For a later call: those that wait now would fail alike.
        this.#putBack(jobId)
        throw error
      }
    }
    const job = this.#putBack(jobId)
    if (job !== null) this.#announce([job])
    return null
  }

  #putBack(jobId: string): PendingJob | null {
    const job = this.#table.get(jobId)
    if (job?.status !== 'pending') return null
    this.queue.add(job, this.now())
    return job
  }

  #changed(before: Job | null, after: Job | null): void {
    if (before?.status === 'pending') this.queue.remove(before.jobId)
    if (after?.status === 'pending') {
      this.queue.add(after, this.now())
      this.#arm()
    }
    this.#tallies.get(undefined)?.change(before, after)
    this.#tallies.get((after ?? before)!.submittedBy)?.change(before, after)
  }

  #announce(jobs: readonly { jobId: string }[]): void {
    for (const { jobId } of jobs) {
      const job = this.#table.get(jobId)
      if (job?.status === 'pending') for (const listener of this.#listeners) listener(job)
    }
  }

  /** Announces the next job that becomes available, when it does. */
  #arm(): void {
    const at = this.queue.nextOpenAt()
    if (at === this.#timerAt) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#timer = null
    this.#timerAt = at
    if (at === null) return
    const wait = Math.min(HOUR, Math.max(0, at - this.now()))
    this.#timer = startTimer(() => {
      this.#timerAt = null
      this.#announce(this.queue.open(this.now()))
      this.#arm()
    }, wait).unref()
  }
}

/** Whether a job is looked for, but for its age. */
function matcherOf({
  submittedBy,
  status,
  contentType,
  workerId,
  text,
}: JobQuery): (job: Job) => boolean {
  const needle = text?.toLowerCase() ?? ''
  return (job) =>
    (submittedBy === undefined || job.submittedBy === submittedBy) &&
    (status === undefined || job.status === status) &&
    (contentType === undefined || job.contentType === contentType) &&
    (workerId === undefined || lastAttempt(job)?.workerId === workerId) &&
    (needle === '' || textsOf(job).some((one) => one.toLowerCase().includes(needle)))
}

/** What the text search looks in. */
function textsOf(job: Job): string[] {
  const error = 'error' in job ? job.error.message : (lastAttempt(job)?.errorMessage ?? '')
  return [job.source.filename, job.jobId, job.ingestionTaskId, error]
}
