import { AppError } from '../../shared/errors.ts'
import { lastAttempt, type Job, type ProcessingJob } from './job.ts'

/** The processing job whose newest attempt this is. @throws {AppError} `lease_lost` */
export function held(job: Job, number: number): ProcessingJob {
  if (job.status !== 'processing' || lastAttempt(job)?.number !== number)
    throw leaseLost(job, number)
  return job
}

export function leaseLost(job: Job, number: number): AppError {
  return new AppError(
    'lease_lost',
    `Attempt ${number} no longer holds job ${job.jobId}, which is ${job.status}.`,
  )
}
