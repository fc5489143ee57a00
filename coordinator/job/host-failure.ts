import { isHostCode } from '../../shared/errors.ts'
import {
  endAttempt,
  lastAttempt,
  pendingAgain,
  type Attempt,
  type PendingJob,
  type ProcessingJob,
} from './job.ts'
import { backoffMs } from './policy.ts'

/** With the pauses between them they take a night: nobody lets a machine go without disk for longer unseen. */
const MOST_OF_A_JOB = 40

interface Failure {
  code: string
  message: string
  retryable: boolean
}

/**
 * Whether a failure says something of the machine and nothing of the job: it lacks disk, the engine or the model. Not where
 * so many have said so that the job itself must be the reason.
 */
export function isOfTheHost(job: ProcessingJob, { code, retryable }: Failure): boolean {
  if (!retryable || !isHostCode(code) || lastAttempt(job)?.leased !== true) return false
  return job.attempts.filter(isHostFailure).length < MOST_OF_A_JOB
}

/**
 * Back in the queue without counting: another machine may have what this one lacks, and may have the job at once. A worker
 * that gets it again and fails again makes it wait, longer each time.
 */
export function leftToOthers(
  job: ProcessingJob,
  failure: Failure,
  { now, random }: { now: number; random: number },
): PendingJob {
  const { workerId } = lastAttempt(job)!
  const before = job.attempts.filter((one) => isHostFailure(one) && one.workerId === workerId)
  const waitMs = before.length === 0 ? 0 : backoffMs(before.length, random)
  return pendingAgain(job, endAttempt(job, 'failed', now, failure), now + waitMs)
}

function isHostFailure({ outcome, errorCode }: Attempt): boolean {
  return outcome === 'failed' && errorCode !== null && isHostCode(errorCode)
}
