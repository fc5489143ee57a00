import { invalid, type AppError } from '../../shared/errors.ts'
import type { Continuation, Step, StepName, Tried } from '../job/continuation.ts'
import type { EndedJob } from '../job/job.ts'
import { webhookOf } from './webhook-target.ts'

/**
 * Tries a step of a job's continuation.
 * @param id the continuation's, the same for every try.
 * @throws for an unexpected error, which counts as a failed try; what the peer answers is in the result.
 */
export type TryStep = (job: EndedJob, id: string, signal: AbortSignal) => Promise<Tried>

export function stepOf({ steps }: Continuation, name: StepName): Step | undefined {
  return steps.find((step) => step.name === name)
}

/** The peer that a step keeps busy: a webhook's host, the MoRAG server, the output folder. */
export function receiverOf(job: EndedJob, name: StepName): string {
  if (name !== 'webhook') return name
  const url = webhookOf(job)?.url ?? ''
  return URL.canParse(url) ? new URL(url).host : name
}

export function unknownSteps(jobId: string, names: readonly StepName[]): AppError {
  return invalid(`Job ${jobId} has no step ${names.join(', ')}.`, ['body', 'steps'])
}
