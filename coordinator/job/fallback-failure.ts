import { isHostCode } from '../../shared/errors.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import {
  endAttempt,
  lastAttempt,
  pendingAgain,
  type Job,
  type PendingJob,
  type ProcessingJob,
} from './job.ts'
import { backoffMs } from './policy.ts'

/** What is wrong with the file itself, or with what was asked: no worker could do better. */
const OF_THE_FILE = ['invalid', 'invalid_media', 'no_audio', 'source_missing', 'source_changed']

interface Failure {
  code: string
  message: string
  retryable: boolean
}

/** Whether an attempt was made by the coordinator itself at a job that is for workers, and says nothing of its file. */
export function isOfTheFallback(job: Job, { code }: { code: string }): boolean {
  const isFallback = lastAttempt(job)?.workerId === LOCAL_WORKER && job.ingestion?.local !== true
  return isFallback && !OF_THE_FILE.includes(code)
}

/**
 * Back in the queue, with all its tries left: falling back must not lose a job. It is tried here again after a pause, as
 * often as a worker would be; then it is given back for good, and waits for workers, or for another processor.
 */
export function leftToWorkers(
  job: ProcessingJob,
  failure: Failure,
  { now, random }: { now: number; random: number },
): PendingJob {
  const { ability } = lastAttempt(job)!
  const before = job.attempts.filter((one) => one.ability === ability && one.outcome === 'failed')
  const mayPass = failure.retryable && (before.length < job.maxRetries || isHostCode(failure.code))
  if (!mayPass) return pendingAgain(job, endAttempt(job, 'released', now, failure), now)
  const wait = backoffMs(before.length + 1, random)
  return pendingAgain(job, endAttempt(job, 'failed', now, failure), now + wait)
}
