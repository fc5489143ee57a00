import { writeJson } from '../../shared/exact-json.ts'
import { ProxyAgent, request } from 'undici'
import { Webhook } from 'standardwebhooks'
import { DAY, SECOND } from '../../shared/duration.ts'
import { messageOf } from '../../shared/errors.ts'
import { networkReason, retryAfterSeconds } from '../../shared/network.ts'
import { printable } from '../../shared/printable.ts'
import { VERSION } from '../../shared/version.ts'
import { API } from '../../shared/wire.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import type { ResultSummary } from '../files/transcript-work.ts'
import type { EndedJob } from '../job/job.ts'
import type { AddressGuard } from './address-guard.ts'
import type { Tried } from '../job/continuation.ts'
import { firstText } from './first-text.ts'
import { redacted, secretsIn } from './redacted.ts'
import type { TryStep } from './step.ts'
import { checkWebhook, webhookOf } from './webhook-target.ts'

export interface WebhookOptions {
  /** `whsec_…`, for targets that have none of their own. */
  secret: string
  guard: AddressGuard
  /** What they go through: it looks names up by itself, unseen by the guard. Default: nothing. */
  proxy?: string | null
  /** What there is to tell of a job's result; null when it has none. */
  summaryOf: (job: EndedJob, mostChars: number) => Promise<ResultSummary | null>
  now: () => number
}

const TIMEOUT_MS = 30 * SECOND
/** So much of an answer is read; nothing in it matters but a word on what went wrong. */
const MAX_ANSWER_BYTES = 64 * 1024
/** A text that is longer stays here: the receiver fetches it from `result_url`. */
const MAX_CONTENT_CHARS = 256 * 1024

/** Tells a job's webhook of its end, signed as the Standard Webhooks specification says. Redirects are not followed. */
export function webhookStep({
  secret,
  guard,
  proxy = null,
  summaryOf,
  now,
}: WebhookOptions): TryStep {
  const dispatcher =
    proxy === null ? guard.dispatcher() : new ProxyAgent({ uri: proxy, proxyTunnel: false })
  return async (job, id, signal) => {
    const target = webhookOf(job)
    if (target === null) return { done: true }
    try {
      checkWebhook(target, guard)
    } catch (error) {
      return failed(messageOf(error))
    }
    const body = writeJson(payloadOf(job, await summaryOf(job, MAX_CONTENT_CHARS), now()))
    const sentAt = new Date(now())
    const signature = new Webhook(target.secret ?? secret).sign(id, sentAt, body)
    const timeout = timeoutSignal(TIMEOUT_MS)
    try {
      const answer = await request(target.url, {
        method: 'POST',
        dispatcher,
        signal: AbortSignal.any([signal, timeout]),
        headers: {
          'content-type': 'application/json',
          'user-agent': `morag-coordinator/${VERSION}`,
          'webhook-id': id,
          'webhook-timestamp': String(Math.floor(sentAt.getTime() / SECOND)),
          'webhook-signature': signature,
          ...(target.authToken !== null && { authorization: `Bearer ${target.authToken}` }),
        },
        body,
      })
      const said = await firstText(answer.body, MAX_ANSWER_BYTES)
      const text = redacted(said, [target.authToken, signature, ...secretsIn(target.url)])
      return outcomeOf(answer.statusCode, answer.headers['retry-after']?.toString(), text, now())
    } catch (error) {
      if (signal.aborted) throw error
      return failed(timeout.aborted ? 'The receiver took too long.' : reasonOf(error))
    }
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

/** The original's keys of what became of the text; null: nobody knows, or not yet. */
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

function outcomeOf(
  status: number,
  retryAfter: string | undefined,
  text: string,
  now: number,
): Tried {
  if (status >= 200 && status < 300) return { done: true }
  const word = printable(text, { most: 200 })
  const what =
    status >= 300 && status < 400
      ? `${status}, a redirect, which is not followed`
      : word === ''
        ? String(status)
        : `${status}: ${word}`
  const seconds = retryAfterSeconds(retryAfter, now, DAY / SECOND)
  return {
    done: false,
    message: `The receiver answered ${what}.`,
    // 410 Gone: it wants no more of this.
    final: status === 410,
    retryAfterMs: seconds === undefined ? null : seconds * SECOND,
  }
}

function reasonOf(error: unknown): string {
  return `The webhook could not be reached: ${networkReason(error)}.`
}

function failed(message: string): Tried {
  return { done: false, message, final: false, retryAfterMs: null }
}
