import { AppError } from '../../shared/errors.ts'
import type { Attempt, Job } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
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
export function jobFor(principal: Principal, jobs: Jobs, jobId: string): Job {
  const job = jobs.get(jobId)
  if (maySee(principal, job)) return job
  // As in `Jobs.get`, so that it does not reveal whether the job exists.
  throw new AppError('not_found', `There is no job ${jobId.slice(0, 100)}.`)
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
