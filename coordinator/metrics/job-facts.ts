import { SECOND } from '../../shared/duration.ts'
import { isErrorCode } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/wire.ts'
import { hasEnded, lastAttempt, type Job } from '../job/job.ts'
import type { StepName } from '../job/continuation.ts'

/** What a change of a job means to who counts. */
export interface JobFacts {
  created: boolean
  /** The size of the file that came with it. */
  uploadedBytes: number
  /** A worker took it: how long it had been there for the taking, in seconds. */
  claimedAfterSeconds: number | null
  /** Attempts that are over since, or that turned out otherwise. */
  attempts: { outcome: Outcome; errorCode: string }[]
  /** It waits for another try after one that failed. */
  retried: boolean
  /** How it ended. */
  ended: Job['status'] | null
  /** Of a job that completed: how long its attempt worked, the wait for a slot left out, and how long its recording is. */
  completed: { processingSeconds: number | null; mediaSeconds: number | null } | null
}

export function factsOf(before: Job | null, after: Job): JobFacts {
  const created = before === null
  const ended = hasEnded(after) && before?.status !== after.status ? after.status : null
  return {
    created,
    uploadedBytes: created && after.source.kind === 'upload' ? after.source.sizeBytes : 0,
    claimedAfterSeconds: claimedAfterSeconds(before, after),
    attempts: newlyJudged(before, after),
    retried: before !== null && after.status === 'pending' && after.retryCount > before.retryCount,
    ended,
    completed:
      ended === null || after.status !== 'completed'
        ? null
        : {
            processingSeconds: processingSeconds(before, after),
            mediaSeconds: after.result.mediaSeconds,
          },
  }
}

/** The tries of what follows a job's end that a change tells of. */
export function stepFacts(
  before: Job,
  after: Job,
): { step: StepName; outcome: 'done' | 'retry' | 'failed' }[] {
  if (!hasEnded(before) || !hasEnded(after)) return []
  const earlier = before.continuation?.steps ?? []
  const tried = (after.continuation?.steps ?? []).filter(
    ({ name, tries }) => tries > (earlier.find((one) => one.name === name)?.tries ?? 0),
  )
  return tried.map(({ name, state }) => ({
    step: name,
    outcome: state === 'pending' ? 'retry' : state,
  }))
}

function claimedAfterSeconds(before: Job | null, after: Job): number | null {
  if (before?.status !== 'pending' || after.status !== 'processing') return null
  const startedAt = lastAttempt(after)?.startedAt ?? before.availableAt
  return Math.max(0, startedAt - before.availableAt) / SECOND
}

function newlyJudged(before: Job | null, after: Job): JobFacts['attempts'] {
  const earlier = new Map(before?.attempts.map(({ number, outcome }) => [number, outcome]))
  return after.attempts.flatMap(({ number, outcome, errorCode }) => {
    if (outcome === null || outcome === earlier.get(number)) return []
    return [{ outcome, errorCode: codeLabel(errorCode) }]
  })
}

function processingSeconds(before: Job | null, after: Job): number | null {
  const done = after.attempts.find(({ outcome }) => outcome === 'completed')
  if (done === undefined || done.endedAt === null) return null
  const held = before?.status === 'processing' && lastAttempt(before)?.number === done.number
  const waited = held ? before.lease.waitedMs : 0
  return Math.max(0, done.endedAt - done.startedAt - waited) / SECOND
}

/** Codes come from workers: those that are not ours count as one. */
function codeLabel(errorCode: string | null): string {
  if (errorCode === null) return 'none'
  return isErrorCode(errorCode) ? errorCode : 'other'
}
