import { AppError } from '../../shared/errors.ts'
import type { Continuation, Step, StepName } from '../job/continuation.ts'
import type { EndedJob } from '../job/job.ts'
import { webhookOf } from './webhook-target.ts'

export function stepOf({ steps }: Continuation, name: StepName): Step | undefined {
  return steps.find((step) => step.name === name)
}

/** Who is busy with a step: a webhook's host, the MoRAG server, the folder. */
export function receiverOf(job: EndedJob, name: StepName): string {
  if (name !== 'webhook') return name
  const url = webhookOf(job)?.url ?? ''
  return URL.canParse(url) ? new URL(url).host : name
}

export function hasNot(jobId: string, names: readonly StepName[]): AppError {
  const msg = `Job ${jobId} has no step ${names.join(', ')}.`
  const problems = [{ loc: ['body', 'steps'], msg, type: 'value_error' }]
  return new AppError('invalid', msg, { problems })
}
