import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { lastAttempt, openAtOf, type PendingJob } from '../job/job.ts'

/** When jobs are processed here that workers might take. */
export interface FallbackRules {
  /** How long they wait for a worker first; null: for ever. */
  afterMs: number | null
  /** No worker could come before: waiting does not count from earlier. */
  startedAt: number
}

/** From when on a waiting job may be processed here, if nobody else can take it; null: never. */
export function dueHereAt(job: PendingJob, { afterMs, startedAt }: FallbackRules): number | null {
  const openAt = openAtOf(job)
  if (job.ingestion?.local === true) return openAt
  if (afterMs === null) return null
  // It has waited already, before the attempt that was made here.
  if (lastAttempt(job)?.workerId === LOCAL_WORKER) return openAt
  return Math.max(openAt, startedAt) + afterMs
}
