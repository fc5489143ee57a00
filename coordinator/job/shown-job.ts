import type { StatusAnswer } from '../../shared/wire.ts'
import type { JobAnswer } from '../../shared/wire-answers.ts'
import { lastAttempt, type Attempt, type Job, type ProcessingJob } from './job.ts'
import { deadlineOf } from './lease.ts'

/** The newest attempt is the one that counts; a job that waits is nobody's. */
export function shownAttempt(job: Job): Pick<StatusAnswer, 'attempt' | 'workerId' | 'startedAt'> {
  const last = lastAttempt(job)
  const attempt = last?.number ?? 0
  if (last === undefined || job.status === 'pending')
    return { attempt, workerId: null, startedAt: null }
  return { attempt, workerId: last.workerId, startedAt: last.startedAt }
}

/** Why the job failed, or while it may yet succeed why its newest attempt did. */
export function shownFailure(job: Job): Pick<StatusAnswer, 'errorCode' | 'errorMessage'> {
  if ('error' in job) return { errorCode: job.error.code, errorMessage: job.error.message }
  const last = lastAttempt(job)
  return { errorCode: last?.errorCode ?? null, errorMessage: last?.errorMessage ?? null }
}

/** Whose token it was is in the job's file and in the log, and nobody else's to know. */
export function withoutToken(attempt: Attempt): JobAnswer['attempts'][number] {
  const { tokenId: _, ability: __, ...shown } = attempt
  return shown
}

export function shownLease({ lease }: ProcessingJob, now: number): NonNullable<JobAnswer['lease']> {
  const { expiresAt, processedSeconds } = lease
  return { expiresAt, deadlineAt: deadlineOf(lease, now), processedSeconds }
}

export function shownResult({
  result,
}: Job & { status: 'completed' }): NonNullable<JobAnswer['result']> {
  const { processingSeconds, mediaSeconds } = result
  return { processingSeconds, mediaSeconds }
}
