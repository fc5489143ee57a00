import type { JobAnswer } from '../../shared/wire-answers.ts'
import type { ContinuationAnswer } from '../../shared/wire-ingestion.ts'
import { hasEnded, type Job } from '../job/job.ts'
import { withoutSecrets } from '../job/task-options.ts'
import { webhookOf } from './webhook-target.ts'

type IngestionView = Pick<JobAnswer, 'ingestion' | 'webhook' | 'continuation'>

/** A job's ingestion, webhook and continuation without their secrets. */
export function ingestionView(job: Job): IngestionView {
  return {
    ingestion: shownIngestion(job),
    webhook: shownWebhook(job),
    continuation: shownContinuation(job),
  }
}

export function shownContinuation(job: Job): ContinuationAnswer | null {
  if (!hasEnded(job) || job.continuation === null) return null
  const { id, steps } = job.continuation
  return { id, steps: steps.map(({ name, ...step }) => ({ step: name, ...step })) }
}

function shownIngestion({ ingestion }: Job): IngestionView['ingestion'] {
  if (ingestion === null) return null
  const { mode, local, sourceType, mediaType, documentId } = ingestion
  const { metadata, processingOptions, ingestOptions } = ingestion
  return {
    mode,
    local,
    sourceType,
    mediaType,
    documentId,
    metadata: withoutSecrets(metadata),
    processingOptions: withoutSecrets(processingOptions),
    ingestOptions: withoutSecrets(ingestOptions),
  }
}

/** Its origin: the path may be secret. */
function shownWebhook(job: Job): string | null {
  const url = webhookOf(job)?.url
  if (url === undefined) return null
  return URL.canParse(url) ? new URL(url).origin : 'not an address'
}
