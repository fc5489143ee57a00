import { API } from '../../shared/wire.ts'
import type { ResultSummary } from '../blobs/transcript-work.ts'
import type { EndedJob } from '../job/job.ts'
import type { TryStep } from './step.ts'
import type { WebhookSender } from './webhook-sender.ts'
import { webhookOf } from './webhook-target.ts'

export interface WebhookOptions {
  sender: WebhookSender
  /** A job's result, shortened; null when it has none. */
  summaryOf: (job: EndedJob, mostChars: number) => Promise<ResultSummary | null>
  now: () => number
}

/** A longer text stays here: the receiver fetches it from `result_url`. */
const MAX_CONTENT_CHARS = 256 * 1024

/** The step `webhook`: reports a job's end. */
export function webhookStep({ sender, summaryOf, now }: WebhookOptions): TryStep {
  return async (job, id, signal) => {
    const target = webhookOf(job)
    if (target === null) return { done: true }
    const payload = payloadOf(job, await summaryOf(job, MAX_CONTENT_CHARS), now())
    return await sender.send(target, id, payload, signal)
  }
}

/** The original's payload and that of Standard Webhooks in one object. */
export function payloadOf(job: EndedJob, result: ResultSummary | null, now: number): object {
  const completedAt = new Date(job.completedAt).toISOString()
  const error = 'error' in job ? job.error : null
  const facts = {
    remote_job_id: job.jobId,
    content_type: job.contentType,
    document_id: job.ingestion?.documentId ?? null,
    ...shownResult(job, result),
    ...shownIngestion(job, result),
    error_code: error?.code ?? null,
    error_message: error?.message ?? null,
  }
  return {
    task_id: job.ingestionTaskId,
    status: job.status === 'completed' ? 'SUCCESS' : 'FAILURE',
    result: facts,
    completed_at: completedAt,
    type: `job.${job.status}`,
    timestamp: new Date(now).toISOString(),
    data: { job_id: job.jobId, task_id: job.ingestionTaskId, status: job.status, ...facts },
  }
}

/** The original's keys for the outcome of the ingestion; null where unknown. */
function shownIngestion(job: EndedJob, result: ResultSummary | null): object {
  const step = job.continuation?.steps.find(({ name }) => name === 'ingest')
  const { chunksProcessed, totalTextLength, databasesUsed } = step?.answer ?? {}
  return {
    chunks_processed: chunksProcessed ?? null,
    total_text_length: totalTextLength ?? result?.content?.length ?? null,
    databases_used: databasesUsed ?? null,
  }
}

function shownResult({ jobId, ingestion }: EndedJob, result: ResultSummary | null): object {
  if (result === null)
    return { content: null, content_truncated: false, metadata: {}, result_url: null }
  const { content, metadata, isCut } = result
  return {
    content,
    content_truncated: content === null,
    metadata: { ...metadata, remote_processing: ingestion?.local !== true },
    ...(isCut && { metadata_truncated: true }),
    result_url: `${API}/remote-jobs/${jobId}/result`,
  }
}
