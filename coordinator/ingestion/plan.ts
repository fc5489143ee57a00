import type { EndedJob } from '../job/job.ts'
import type { IngestionConfig } from './config.ts'
import { isToBeIngested } from './ingest-options.ts'
import type { StepName } from '../job/continuation.ts'
import { webhookOf } from './webhook-target.ts'

/** What follows a job's end, in no order: each step goes its own way. */
export function stepsFor(
  job: EndedJob,
  { moragUrl, outputDir }: Pick<IngestionConfig, 'moragUrl' | 'outputDir'>,
): StepName[] {
  const steps: StepName[] = []
  if (webhookOf(job) !== null) steps.push('webhook')
  if (job.status !== 'completed') return steps
  if (moragUrl !== null && isToBeIngested(job)) steps.push('ingest')
  if (outputDir !== null) steps.push('folder')
  return steps
}
