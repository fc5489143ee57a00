import { MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError, isRetryable, messageOf } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import type { CompletedJob } from '../job/job.ts'
import type { Transcripts } from '../blobs/transcripts.ts'
import { withoutSecrets } from '../job/task-options.ts'
import { stemOf } from './file-stem.ts'
import type { MoragClient, TextToIngest } from './morag-client.ts'
import type { TryStep } from './step.ts'

export interface IngestOptions {
  client: MoragClient
  transcripts: Transcripts
  /** How long the server may take for one text. */
  patienceMs?: number
}

const PATIENCE_MS = 15 * MINUTE

/** The step `ingest`: a finished text goes into the MoRAG server as a Markdown document. */
export function ingestStep({
  client,
  transcripts,
  patienceMs = PATIENCE_MS,
}: IngestOptions): TryStep {
  return async (job, id, signal) => {
    if (job.status !== 'completed')
      return { done: false, message: 'The job has no text.', final: true, retryAfterMs: null }
    const patience = timeoutSignal(patienceMs)
    try {
      const document = documentOf(job, await transcripts.text(job))
      await client.ingest(document, id, AbortSignal.any([signal, patience]))
      return { done: true }
    } catch (error) {
      if (signal.aborted) throw error
      const seconds = error instanceof AppError ? error.retryAfterSeconds : undefined
      return {
        done: false,
        message: patience.aborted ? 'The MoRAG server took too long.' : messageOf(error),
        final: !isRetryable(error),
        retryAfterMs: seconds === undefined ? null : seconds * SECOND,
      }
    }
  }
}

/** A job's text as the pipeline takes it on. An id that stays the same makes a repeated ingestion replace the first. */
export function documentOf(job: CompletedJob, text: string): TextToIngest {
  const { jobId, ingestion, source } = job
  return {
    text,
    filename: `${stemOf(source.filename)}.md`,
    documentId: ingestion?.documentId ?? jobId,
    metadata: { ...ingestion?.metadata, remote_job_id: jobId },
    processingOptions: ingestion?.processingOptions ?? withoutSecrets(job.taskOptions),
  }
}
