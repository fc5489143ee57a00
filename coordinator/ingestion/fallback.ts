import { DAY } from '../../shared/duration.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { lastAttempt, openAtOf, type PendingJob } from '../job/job.ts'
import type { Processor } from './processors.ts'

/** When jobs for workers are processed by the coordinator. */
export interface FallbackRules {
  /** How long they wait for a worker first; null: the coordinator never takes them. */
  afterMs: number | null
  /** The coordinator's start: waiting does not count from before it. */
  startedAt: number
}

/** How long a job is kept from a MoRAG server that refused it, unless the server is upgraded first. */
const REFUSED_MS = DAY

/** From when on the coordinator may process a waiting job that no worker can take; null: never. */
export function dueHereAt(job: PendingJob, { afterMs, startedAt }: FallbackRules): number | null {
  const openAt = openAtOf(job)
  if (job.ingestion?.local === true) return openAt
  if (afterMs === null) return null
  // It has waited before the attempt that was made here.
  if (lastAttempt(job)?.workerId === LOCAL_WORKER) return openAt
  return Math.max(openAt, startedAt) + afterMs
}

/** Until when a job for workers is kept from a processor that refused it; 0: it was not refused. */
export function refusedUntil(job: PendingJob, { name, ability }: Processor): number {
  const last = job.attempts.findLast(
    (one) => one.ability === ability && one.outcome === 'released' && one.errorCode !== null,
  )
  if (last === undefined || job.ingestion?.local === true) return 0
  return name === 'morag' ? (last.endedAt ?? 0) + REFUSED_MS : Infinity
}
