import { DAY, MINUTE, SECOND } from '../../shared/duration.ts'
import type { Job } from './job.ts'

/** The rules that an operator may set, in milliseconds. */
export interface Policy {
  leaseMs: number
  stallMs: number
  /** How long an attempt may take, per content type; `default` for the rest. */
  deadlineMs: Readonly<Record<string, number> & { default: number }>
  /** … but at least this many times the length of the recording. */
  deadlineFactor: number
  /** How long a job may wait for a worker, from each time it becomes available; null: without limit. */
  queueLimitMs: number | null
  /** After a restart: how long an original worker's attempt lasts without a download or a result. */
  originalGraceMs: number
}

/** Time and randomness (0 ≤ random < 1) come in as arguments. */
export interface Context {
  now: number
  random: number
  policy: Policy
}

const BACKOFF_FIRST = 15 * SECOND
const BACKOFF_MOST = 15 * MINUTE
/** More than any recording needs, and still a valid instant. */
const DEADLINE_MOST = 365 * DAY

/** Wait before try `n` (1 for the first retry), in milliseconds: 15 s doubling to 15 min, half of it chance. */
export function backoffMs(n: number, random: number): number {
  const full = Math.min(BACKOFF_MOST, BACKOFF_FIRST * 2 ** (n - 1))
  return full / 2 + (full / 2) * random
}

/** How long an attempt may take from its claim, in milliseconds; a job's own `timeout_seconds` wins. */
export function deadlineMs(job: Job, mediaSeconds: number | null, policy: Policy): number {
  const own = job.taskOptions['timeout_seconds']
  if (typeof own === 'number' && own > 0) return Math.min(DEADLINE_MOST, own * SECOND)
  const { deadlineMs: perType, deadlineFactor } = policy
  // A client may name a content type `constructor`.
  const ofType = Object.hasOwn(perType, job.contentType) ? perType[job.contentType] : undefined
  const usual = ofType ?? perType.default
  return Math.min(DEADLINE_MOST, Math.max(usual, (mediaSeconds ?? 0) * SECOND * deadlineFactor))
}
