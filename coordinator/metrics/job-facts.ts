import { SECOND } from '../../shared/duration.ts'
import { isErrorCode } from '../../shared/errors.ts'
import type { Outcome } from '../../shared/wire.ts'
import { endedBetween, hasEnded, lastAttempt, workSeconds, type Job } from '../job/job.ts'
import type { StepName } from '../job/continuation.ts'
import { countsOf } from '../job/usage-counts.ts'

/** What a change of a job adds to the counters. */
export interface JobFacts {
  created: boolean
  uploadedBytes: number
  /** How long a claimed job had been available. */
  claimedAfterSeconds: number | null
  /** Attempts with a new outcome. */
  attempts: { outcome: Outcome; errorCode: string }[]
  retried: boolean
  ended: Job['status'] | null
  /** For a completed job; without its wait for a slot. */
  completed: { processingSeconds: number | null; mediaSeconds: number | null } | null
  /** Of agents, in attempts that have ended. */
  workSeconds: number
}

export function factsOf(before: Job | null, after: Job): JobFacts {
  const created = before === null
  const earlierMs = before === null ? 0 : countsOf(before).workMs
  const ended = hasEnded(after) && before?.status !== after.status ? after.status : null
  return {
    created,
    uploadedBytes: created && after.source.kind === 'upload' ? after.source.sizeBytes : 0,
    claimedAfterSeconds: claimedAfterSeconds(before, after),
    attempts: endedBetween(before, after).map(({ outcome, errorCode }) => ({
      outcome: outcome!,
      errorCode: codeLabel(errorCode),
    })),
    retried: before !== null && after.status === 'pending' && after.retryCount > before.retryCount,
    ended,
    completed:
      ended === null || after.status !== 'completed'
        ? null
        : {
            processingSeconds: workSeconds(before, after),
            mediaSeconds: after.result.mediaSeconds,
          },
    workSeconds: Math.max(0, countsOf(after).workMs - earlierMs) / SECOND,
  }
}

/** The tries of continuation steps in a change. */
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

/** Unknown codes of workers count as one. */
function codeLabel(errorCode: string | null): string {
  if (errorCode === null) return 'none'
  return isErrorCode(errorCode) ? errorCode : 'other'
}
