import type { Status } from '../../shared/wire.ts'
import type { CompletedJob, EndedJob, Job, PendingJob, ProcessingJob } from '../job/job.ts'
import type { Overdue } from '../job/lease.ts'
import type { Place } from '../job/queue.ts'
import type { Ability, Requirements } from '../job/requirements.ts'
import type { TypeCounts } from '../job/tally.ts'

/** Jobs are ordered by creation, then id. */
export interface OrderKey {
  createdAt: number
  jobId: string
}

/** Which jobs are looked for. */
export interface JobQuery {
  /** Null: those of the API key. */
  submittedBy?: string | null | undefined
  status?: Status | undefined
  contentType?: string | undefined
  /** Of the last attempt. */
  workerId?: string | undefined
  /** In the file name, an id, the error. */
  text?: string | undefined
  /** Those that are older. */
  before?: OrderKey | undefined
}

/** @param T their status. */
export interface JobPage {
  jobs: Job[]
  /** Whether there are no more. */
  isLast: boolean
}

/** Reading jobs. What it gives may have changed by the time it is looked at: decisions belong into a {@link Change}. */
export interface JobReader {
  get(jobId: string): Promise<Job | undefined>
  /** By id, those that there are. */
  getMany(jobIds: readonly string[]): Promise<ReadonlyMap<string, Job>>
  /** Newest first. */
  list(query: JobQuery, most: number): Promise<JobPage>
  /** Newest first. A client may use one task id for several jobs. */
  ofTask(taskId: string): Promise<Job[]>
  /** What a worker processes. */
  heldBy(workerId: string): Promise<ProcessingJob[]>
  waiting(): Promise<PendingJob[]>
  running(): Promise<ProcessingJob[]>
  /** Those that ended in one of these ways, at an instant or before. They may be removed meanwhile. */
  ended(statuses: readonly EndedJob['status'][], before?: number): AsyncIterable<EndedJob>
  /** The last that completed, oldest first. */
  lastCompleted(most: number): Promise<CompletedJob[]>
  /** How many jobs of a submitter wait or run. @param besides ids of jobs that do not count. */
  openOf(submittedBy: string, besides: readonly string[]): Promise<number>
  /** What has run out by now. @param queueLimitMs how long a job may wait; null: for ever. */
  overdue(queueLimitMs: number | null): Promise<readonly Overdue[]>
  /** Of one submitter, or of all. */
  counts(submittedBy?: string | null): Promise<readonly TypeCounts[]>
  /** Null for a job that does not wait for a worker. */
  place(jobId: string): Promise<Place | null>
}

/**
 * The job after a change; the same object: nothing changes. Where others change jobs, too, it may be called again with
 * what they made of it. What it makes durable before must bear that.
 */
export type Change = (job: Job, now: number) => Job | Promise<Job>

/** `before` null: it is new. The same object twice: nothing has changed. */
export interface Mutation<B extends Job | null = Job> {
  before: B
  after: Job
}

/** What a worker asks for. */
export interface Order {
  workerId: string
  /** Of the token that asks; null: the API key, or open mode. */
  tokenId: string | null
  claimId: string | null
  contentTypes: readonly string[]
  most: number
  ability: Ability
  /** Which jobs it leaves to others, unless they are reserved for it. */
  isLeft?: ((contentType: string, requirements: Requirements) => boolean) | undefined
  /** Which of the jobs that it holds it is given again, before any others; with a claim id instead of others. */
  isAgain?: ((job: ProcessingJob) => boolean) | undefined
}

export interface Taking {
  /** The claim of a job. The same object: it is not wanted any more. @throws {AppError} `conflict` */
  take: (job: Job, now: number) => Job
  /** Called in the job's turn, once its claim is durable. */
  taken: (before: Job, after: Job) => void
}

export interface Taken {
  again: ProcessingJob[]
  fresh: ProcessingJob[]
}

/**
 * Jobs, wherever they are kept: all that the coordinator asks of a store. It chooses jobs and keeps them; the state machine
 * in `job/` says what becomes of them. Changes are durable once they resolve, but for most renewals of a lease.
 */
export interface JobStore extends JobReader {
  /** The clock that jobs go by. */
  readonly now: () => number

  /** @throws {AppError} `unavailable` when no change can be taken. */
  check(): void
  /** One after the other per job, in this process. {@link create}, {@link mutate} and {@link remove} are called in it. */
  inTurn<T>(jobId: string, work: () => Promise<T>): Promise<T>
  /** Which change has made it what it is, where several processes make changes: they put their logs in order by that. */
  versionOf?(job: Job): number | undefined
  /** Keeps a job, unless there is one of that id. */
  create(job: PendingJob): Promise<Mutation<Job | null>>
  /** Null: there is no such job. */
  mutate(jobId: string, change: Change): Promise<Mutation | null>
  /** @param may throws when it is not to be removed. @returns null: there is no such job. */
  remove(jobId: string, may: (job: Job) => void): Promise<Job | null>

  /** Whether a job would exceed the kinds that its submitter may have waiting. */
  isOneKindTooMany(
    job: Pick<PendingJob, 'submittedBy' | 'contentType' | 'taskOptions'>,
  ): Promise<boolean>
  /**
   * Claims the best jobs that a worker may have, in their turns. Null: memory alone says that there is nothing for it.
   * @returns those that could be claimed. @throws the first failure, when none could be.
   */
  claim(order: Order, taking: Taking): Promise<Taken> | null
  /** Calls back with a job that has become available without a change of this process. */
  onWork(listener: (job: PendingJob) => void): void
  close(): void
}
