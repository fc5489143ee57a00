import type { CompletedJob, EndedJob, Job, PendingJob, ProcessingJob } from '../../job/job.ts'
import { overdue, type Overdue } from '../../job/lease.ts'
import type { Policy } from '../../job/policy.ts'
import type { Place } from '../../job/queue.ts'
import type { TypeCounts } from '../../job/tally.ts'
import { Batches } from '../batches.ts'
import type { JobPage, JobQuery, JobReader } from '../job-store.ts'
import { isJobId } from '../record.ts'
import type { Database, Statement } from './database.ts'
import { listJobs } from './job-list.ts'
import { JobCounts } from './job-counts.ts'
import { keyOf, leaseOf, storedOf, type JobRow, type Stored } from './rows.ts'
import {
  DUE,
  ENDED,
  HELD,
  IN_STATUS,
  LAST_COMPLETED,
  OF_TASK,
  OPEN_OF,
  PLACE,
  READ,
  WAITED,
} from './statements.ts'

export interface ReaderOptions {
  database: Database
  /** The database's clock. */
  now: () => number
  /** For attempts whose lease was lost with a crash of the server. */
  policy: Policy
}

/** Reads of the same moment go together. */
const READS = { most: 200, everyMs: 5 }
/** Of jobs that have ended, which may be millions. */
const PAGE = 500
const FIRST_ID = '00000000-0000-0000-0000-000000000000'
/** Places beyond are not counted. */
const MOST_AHEAD = 10_000

/** Reads the jobs of a database. */
export class PostgresJobReader implements JobReader {
  protected readonly database: Database
  readonly now: () => number
  protected readonly policy: Policy
  protected readonly tallies: JobCounts
  readonly #reads: Batches<string, Stored | null>

  constructor({ database, now, policy }: ReaderOptions) {
    this.database = database
    this.now = now
    this.policy = policy
    this.tallies = new JobCounts(database)
    this.#reads = new Batches(async (ids) => await this.#readMany(ids), READS)
  }

  async get(jobId: string): Promise<Job | undefined> {
    return (await this.read(jobId))?.job
  }

  async getMany(jobIds: readonly string[]): Promise<Map<string, Job>> {
    const found = await Promise.all(jobIds.map((jobId) => this.read(jobId)))
    return new Map(found.flatMap((one) => (one === null ? [] : [[one.job.jobId, one.job]])))
  }

  async list(query: JobQuery, most: number): Promise<JobPage> {
    return await listJobs(this.database, query, most, (row) => this.stored(row).job)
  }

  async ofTask(taskId: string): Promise<Job[]> {
    const jobs = await this.#find(OF_TASK, keyOf(taskId))
    return jobs.filter((job) => job.ingestionTaskId === taskId)
  }

  async heldBy(workerId: string): Promise<ProcessingJob[]> {
    return await this.#find<ProcessingJob>(HELD, [keyOf(workerId)])
  }

  async waiting(): Promise<PendingJob[]> {
    return await this.#find<PendingJob>(IN_STATUS, 'pending')
  }

  async running(): Promise<ProcessingJob[]> {
    return await this.#find<ProcessingJob>(IN_STATUS, 'processing')
  }

  async *ended(
    statuses: readonly EndedJob['status'][],
    before = Number.MAX_SAFE_INTEGER,
  ): AsyncGenerator<EndedJob> {
    let last = { at: 0, jobId: FIRST_ID }
    for (;;) {
      const values = [statuses, Math.floor(before), last.at, last.jobId, PAGE]
      const page = await this.#find<EndedJob>(ENDED, ...values)
      yield* page
      if (page.length < PAGE) return
      const { completedAt, jobId } = page.at(-1)!
      last = { at: Math.floor(completedAt), jobId }
    }
  }

  async lastCompleted(most: number): Promise<CompletedJob[]> {
    return (await this.#find<CompletedJob>(LAST_COMPLETED, most)).toReversed()
  }

  async openOf(submittedBy: string, besides: readonly string[]): Promise<number> {
    const row = await this.database.one<{ n: number }>(OPEN_OF, [
      keyOf(submittedBy),
      besides.filter(isJobId),
    ])
    return row!.n
  }

  async overdue(queueLimitMs: number | null): Promise<Overdue[]> {
    const now = Math.floor(this.now())
    const leases = await this.database.query<{ job_id: string; lease: string }>(DUE, [now])
    const due = leases.flatMap(({ job_id: jobId, lease }) => {
      const type = overdue(leaseOf(lease), now)
      return type === null ? [] : [{ jobId, type }]
    })
    if (queueLimitMs === null) return due
    const waited = await this.database.query<{ job_id: string }>(WAITED, [now - queueLimitMs])
    return [
      ...due,
      ...waited.map(({ job_id: jobId }) => ({ jobId, type: 'deadline_passed' }) as const),
    ]
  }

  async counts(submittedBy?: string | null): Promise<readonly TypeCounts[]> {
    return await this.tallies.get(submittedBy)
  }

  async place(jobId: string): Promise<Place | null> {
    const row = await this.database.one<{ n: number; bytes: number }>(PLACE, [jobId, MOST_AHEAD])
    return row && { position: row.n + 1, bytesAhead: row.bytes }
  }

  protected async read(jobId: string): Promise<Stored | null> {
    return await this.#reads.add(jobId)
  }

  protected stored(row: JobRow): Stored {
    return storedOf(row, this.now(), this.policy)
  }

  async #readMany(ids: readonly string[]): Promise<(Stored | null)[]> {
    const rows = await this.database.query<JobRow>(READ, [[...new Set(ids)]])
    const found = new Map(rows.map((row) => [row.job_id, row]))
    return ids.map((jobId) => {
      const row = found.get(jobId)
      return row === undefined ? null : this.stored(row)
    })
  }

  async #find<J extends Job = Job>(statement: Statement, ...values: unknown[]): Promise<J[]> {
    const rows = await this.database.query<JobRow>(statement, values)
    return rows.map((row) => this.stored(row).job as J)
  }
}
