import type { ContinuationAnswer } from '../../shared/wire-ingestion.ts'
import { hasEnded, type Job } from '../job/job.ts'
import type { Ingestion } from '../job/ingestion.ts'
import { withoutSecrets } from '../job/task-options.ts'
import { webhookOf } from './webhook-target.ts'

export interface IngestionView {
  /** What a client of `POST /process` asked for. */
  ingestion: Omit<Ingestion, 'webhook'> | null
  /** Where the news of the job's end goes: the origin alone, for a path may be a secret. */
  webhook: string | null
  continuation: ContinuationAnswer | null
}

/** What belongs to a job beside its conversion, as the outside may see it. */
export function ingestionView(job: Job): IngestionView {
  return {
    ingestion: shownIngestion(job),
    webhook: shownWebhook(job),
    continuation: shownContinuation(job),
  }
}

/** What follows the job's end, and how far that is; null when nothing does. */
export function shownContinuation(job: Job): ContinuationAnswer | null {
  if (!hasEnded(job) || job.continuation === null) return null
  const { id, steps } = job.continuation
  return { id, steps: steps.map(({ name, ...step }) => ({ step: name, ...step })) }
}

function shownIngestion({ ingestion }: Job): IngestionView['ingestion'] {
  if (ingestion === null) return null
  const { webhook: _, metadata, processingOptions, ingestOptions, ...rest } = ingestion
  return {
    ...rest,
    metadata: withoutSecrets(metadata),
    processingOptions: withoutSecrets(processingOptions),
    ingestOptions: withoutSecrets(ingestOptions),
  }
}

function shownWebhook(job: Job): string | null {
  const url = webhookOf(job)?.url
  if (url === undefined) return null
  return URL.canParse(url) ? new URL(url).origin : 'not an address'
}
