import { AppError } from '../../shared/errors.ts'
import type { Status } from '../../shared/wire.ts'
import type { Job } from '../job/job.ts'
import type { OrderKey } from './order.ts'

/**
 * Jobs that are safe once a call resolves. `create`, `update` and `remove` publish a change only when it is durable;
 * `touch` keeps progress and lease renewals in memory alone.
 */
export interface JobStore {
  get(jobId: string): Job | undefined
  /** Ids of the jobs in a status, in no order. */
  idsOf(status: Status): ReadonlySet<string>
  /** Newest first, from the first that is older than `before`. */
  newest(before?: OrderKey): Iterable<Job>
  /** To be called before files of a job are touched. @throws {AppError} `unavailable` when no change can be taken. */
  check(): void
  create(job: Job): Promise<void>
  update(job: Job): Promise<void>
  touch(job: Job): void
  remove(jobId: string): Promise<void>
}

/** Whether a change that a store has thrown for certainly did not happen. */
export function isRefused(error: unknown): boolean {
  return error instanceof AppError && error.code === 'no_space'
}
