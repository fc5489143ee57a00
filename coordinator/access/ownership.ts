import { AppError } from '../../shared/errors.ts'
import type { Attempt, Job, JobEvent } from '../job/job.ts'
import { noJob, type Jobs } from '../jobs.ts'
import type { Principal } from './principal.ts'

/** Whether a caller may see a job: a submitter its own, a worker those of its types. */
export function maySee({ role, tokenId, types }: Principal, job: Job): boolean {
  switch (role) {
    case 'admin':
    case 'read':
      return true
    case 'submit':
      return job.submittedBy === tokenId
    case 'worker':
      return types === null || types.includes(job.contentType)
    case 'register':
      return false
  }
}

/** Whose jobs alone a caller may see; undefined: also those of others. */
export function ownerOf({ role, tokenId }: Principal): string | null | undefined {
  return role === 'submit' ? tokenId : undefined
}

/** @throws {AppError} `not_found`, also for a job that the caller may not see. */
export async function jobFor(principal: Principal, jobs: Jobs, jobId: string): Promise<Job> {
  const job = await jobs.get(jobId)
  checkSees(principal, job)
  return job
}

/** Call it where the job is changed. @throws {AppError} `not_found`, as for a job that does not exist. */
export function checkSees(principal: Principal, job: Job): void {
  if (!maySee(principal, job)) throw noJob(job.jobId)
}

/** An event that a caller brings about. */
export function by(principal: Principal, event: JobEvent): (job: Job) => JobEvent {
  return (job) => {
    checkSees(principal, job)
    return event
  }
}

/** Whether a caller may work on an attempt: a lease token alone is not enough. */
export function worksOn(
  { role, tokenId }: Principal,
  attempt: Pick<Attempt, 'tokenId'> | undefined,
): boolean {
  if (role === 'admin') return true
  return role === 'worker' && attempt !== undefined && attempt.tokenId === tokenId
}

/** The requested types that a worker may claim. @throws {AppError} `forbidden` if none. */
export function typesFor({ types }: Principal, asked: readonly string[]): readonly string[] {
  if (types === null) return asked
  const allowed = asked.filter((type) => types.includes(type))
  if (allowed.length > 0) return allowed
  throw new AppError(
    'forbidden',
    `These content types are not for you: you may claim ${types.join(', ')}.`,
  )
}
