import { AppError } from '../../shared/errors.ts'
import type { Attempt, Job } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import type { Principal } from './principal.ts'

/** Whether a job is there for somebody: to a submitter those that it submitted, to a worker those of its types. */
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

/** A job as somebody finds it. @throws {AppError} `not_found`, also for one that is not there for this one. */
export function jobFor(principal: Principal, jobs: Jobs, jobId: string): Job {
  const job = jobs.get(jobId)
  if (maySee(principal, job)) return job
  // The very words of jobs.get: whether there is one is nobody else's to know.
  throw new AppError('not_found', `There is no job ${jobId.slice(0, 100)}.`)
}

/** Whether an attempt is somebody's to work on: with a lease token alone it is not. */
export function worksOn(
  { role, tokenId }: Principal,
  attempt: Pick<Attempt, 'tokenId'> | undefined,
): boolean {
  if (role === 'admin') return true
  return role === 'worker' && attempt !== undefined && attempt.tokenId === tokenId
}

/** Those of the types asked for that a worker may claim. @throws {AppError} `forbidden` when none is. */
export function typesFor({ types }: Principal, asked: readonly string[]): readonly string[] {
  if (types === null) return asked
  const allowed = asked.filter((type) => types.includes(type))
  if (allowed.length > 0) return allowed
  throw new AppError(
    'forbidden',
    `These content types are not for you: you may claim ${types.join(', ')}.`,
  )
}
