import { chunkOptionsOf } from '../../shared/chunks.ts'
import { DAY, MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError, isRetryable, messageOf } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import type { IngestedText } from '../blobs/transcript-work.ts'
import type { Transcripts } from '../blobs/transcripts.ts'
import type { Task, Tried } from '../job/continuation.ts'
import type { CompletedJob, EndedJob } from '../job/job.ts'
import type { CallbackUrls } from './callback-url.ts'
import { stemOf } from './file-stem.ts'
import { ingestOptionsOf } from './ingest-options.ts'
import type { IngestOutcome } from './ingest-outcome.ts'
import type { ApiName, TextToIngest } from './morag-api.ts'
import type { MoragClient } from './morag-client.ts'
import { Refusal } from './morag-http.ts'
import type { TryStep } from './step.ts'

export interface IngestOptions {
  client: MoragClient
  transcripts: Pick<Transcripts, 'ingested'>
  callbacks: CallbackUrls
  /** Whether the server is known to reach the coordinator. */
  isReachable: boolean
  now: () => number
  /** How long the server may take to answer. Default: its API's. */
  timeoutMs?: number
}

/** A longer task is lost, and its text sent again. */
const MAX_WORK_MS = DAY
/** How long a callback is waited for after the answer was cut off. */
const MAX_SILENCE_MS = 30 * MINUTE

/**
 * The step `ingest`: sends a finished text to the MoRAG server as a Markdown document. A server that makes a task of it is
 * polled until the task ends or the server calls back.
 */
export function ingestStep(options: IngestOptions): TryStep {
  return async (job, id, signal) => {
    if (job.status !== 'completed') return failed('The job has no text.', true)
    const task = taskOf(job)
    try {
      return task === null
        ? await handIn(options, job, id, signal)
        : await look(options, task, signal)
    } catch (error) {
      if (signal.aborted) throw error
      const seconds = error instanceof AppError ? error.retryAfterSeconds : undefined
      const final = !isRetryable(error) && !isUnknown(error)
      return failed(messageOf(error), final, seconds === undefined ? null : seconds * SECOND)
    }
  }
}

async function handIn(
  { client, transcripts, callbacks, isReachable, now, timeoutMs }: IngestOptions,
  job: CompletedJob,
  id: string,
  signal: AbortSignal,
): Promise<Tried> {
  const chunks = ingestOptionsOf(job).asChunks ? chunkOptionsOf(job.taskOptions) : null
  const text = await transcripts.ingested(job, chunks)
  const document = documentOf(job, text, callbacks.of(job.jobId, id))
  const timeout = new AbortController()
  let by: ApiName | null = null
  let timer: NodeJS.Timeout | undefined
  try {
    const either = AbortSignal.any([signal, timeout.signal])
    const { api, answer, taskId } = await client.ingest(document, id, either, (chosen) => {
      by = chosen.name
      clearTimeout(timer)
      timer = startTimer(() => timeout.abort(), timeoutMs ?? chosen.ingestion.timeoutMs).unref()
    })
    if (answer !== null) return { done: true, answer: withLength(answer, document.text) }
    return working({ api, id: taskId, sinceAt: now() })
  } catch (error) {
    if (signal.aborted) throw error
    const isLate = timeout.signal.aborted
    const message = isLate ? 'The MoRAG server took too long.' : messageOf(error)
    // The server continues after a gateway's timeout, or ours.
    const continues = isLate || (error instanceof Refusal && [504, 524].includes(error.status))
    if (continues && isReachable && by === 'stages')
      return working({ api: by, id: null, sinceAt: now() }, message)
    if (isLate) return failed(message)
    throw error
  } finally {
    clearTimeout(timer)
  }
}

async function look(
  { client, now }: IngestOptions,
  task: Task,
  signal: AbortSignal,
): Promise<Tried> {
  const { id, sinceAt } = task
  const age = now() - sinceAt
  if (id === null) {
    return age < MAX_SILENCE_MS
      ? working(task, 'The MoRAG server has not called back yet.')
      : failed('The MoRAG server has not called back.')
  }
  try {
    const outcome = await client.look({ ...task, id }, signal)
    if (outcome !== null) return triedOf(outcome)
    if (age < MAX_WORK_MS) return working(task)
    return failed(`The MoRAG server has not finished its task ${id} in a day.`)
  } catch (error) {
    if (signal.aborted || isUnknown(error) || age >= MAX_WORK_MS) throw error
    return working(task, messageOf(error))
  }
}

export function triedOf(outcome: NonNullable<IngestOutcome>): Tried {
  return 'answer' in outcome
    ? { done: true, answer: outcome.answer }
    : failed(`The MoRAG server failed: ${outcome.failure}`)
}

/** A job's text as a document. With the job's id as its own, a repeated ingestion replaces the first. */
export function documentOf(
  job: CompletedJob,
  { text, metadata }: IngestedText,
  callbackUrl: string,
): TextToIngest {
  const { jobId, contentType, source, result } = job
  const options = ingestOptionsOf(job)
  return {
    text,
    filename: `${stemOf(source.filename)}.md`,
    documentId: options.documentId ?? jobId,
    metadata: {
      source_type: contentType,
      source_path: source.filename,
      processing_time: result.processingSeconds,
      remote_processing: job.ingestion?.local !== true,
      remote_job_id: jobId,
      ...metadata,
      ...options.metadata,
    },
    options: {
      ...options,
      replaceExisting: options.replaceExisting || options.documentId === null,
    },
    callbackUrl,
  }
}

function taskOf({ continuation }: EndedJob): Task | null {
  return continuation?.steps.find(({ name }) => name === 'ingest')?.task ?? null
}

function withLength<A extends { totalTextLength: number | null }>(answer: A, text: string): A {
  return { ...answer, totalTextLength: answer.totalTextLength ?? text.length }
}

function isUnknown(error: unknown): boolean {
  return error instanceof AppError && error.code === 'not_found' && error.cause instanceof Refusal
}

function working(task: Task, message = ''): Tried {
  return { done: false, task, message, final: false, retryAfterMs: null }
}

function failed(message: string, final = false, retryAfterMs: number | null = null): Tried {
  return { done: false, message, final, retryAfterMs }
}
