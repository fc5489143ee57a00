import { MINUTE, SECOND } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import { hasEnded, lastAttempt, type Job } from '../job/job.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'
import type { WebhookSender } from './webhook-sender.ts'
import { webhookOf } from './webhook-target.ts'

export interface ProgressWebhooksOptions {
  jobs: Jobs
  sender: WebhookSender
  /** The least pause between two messages about one job. */
  intervalMs?: number
}

const INTERVAL_MS = 5 * SECOND
/** The longest pause after repeated failures. */
const MAX_PAUSE_MS = MINUTE
const TIMEOUT_MS = 10 * SECOND
/** Bounds the connections, however many jobs run. */
const MAX_IN_FLIGHT = 8
/** The original's name for the part of its pipeline that these jobs do. */
const STEP = 'markdown_conversion'

/** What is known of a running job that asked for progress. */
interface Entry {
  /** As it was last seen. */
  job: Job
  /** A message is in flight, or its pause has not passed. */
  isBusy: boolean
  /** The job has changed since the last message. */
  isChanged: boolean
  failures: number
  /** The last message without its time, as JSON. */
  sent: string
  stop: AbortController
  timer: NodeJS.Timeout | undefined
}

/**
 * Reports the progress of running jobs to webhooks that asked for it (`webhook_config.progress`). Best effort: in order,
 * one message in flight per job, only the newest state, no retries. The end of a job is the step `webhook`'s to report,
 * and cuts a message about its progress off.
 */
export class ProgressWebhooks implements JobSubscriber {
  readonly #jobs: Jobs
  readonly #sender: WebhookSender
  readonly #intervalMs: number
  readonly #entries = new Map<string, Entry>()
  /** Jobs with something to report, first come first served. */
  readonly #due = new Set<string>()
  #inFlight = 0

  constructor({ jobs, sender, intervalMs = INTERVAL_MS }: ProgressWebhooksOptions) {
    this.#jobs = jobs
    this.#sender = sender
    this.#intervalMs = intervalMs
  }

  onChange(before: Job | null, after: Job | null): void {
    this.#changed((after ?? before)!.jobId, after)
  }

  onDetail(_: Job, after: Job): void {
    this.#changed(after.jobId, after)
  }

  /** How many jobs it keeps something of. */
  get size(): number {
    return this.#entries.size
  }

  close(): void {
    for (const jobId of this.#entries.keys()) this.#drop(jobId)
  }

  #changed(jobId: string, job: Job | null): void {
    if (job === null || hasEnded(job)) return this.#drop(jobId)
    if (job.attempts.length === 0 || webhookOf(job)?.progress !== true) return
    const entry = this.#entries.get(jobId) ?? newEntry(job)
    this.#entries.set(jobId, entry)
    entry.job = job
    entry.isChanged = true
    if (!entry.isBusy) this.#due.add(jobId)
    this.#pump()
  }

  #drop(jobId: string): void {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return
    clearTimeout(entry.timer)
    this.#entries.delete(jobId)
    this.#due.delete(jobId)
    entry.stop.abort(new Error('The job has ended.'))
  }

  #pump(): void {
    for (const jobId of this.#due) {
      if (this.#inFlight >= MAX_IN_FLIGHT) return
      this.#due.delete(jobId)
      const entry = this.#entries.get(jobId)
      if (entry !== undefined) void this.#send(entry, entry.job)
    }
  }

  async #send(entry: Entry, job: Job): Promise<void> {
    const target = webhookOf(job)
    const progress = progressOf(job)
    const sent = JSON.stringify(progress)
    entry.isChanged = false
    if (target === null || progress === null || sent === entry.sent) return
    Object.assign(entry, { isBusy: true, sent })
    this.#inFlight += 1
    const now = this.#jobs.now()
    const payload = { ...progress, timestamp: new Date(now).toISOString() }
    const { signal } = entry.stop
    const tried = await this.#sender
      .send(target, `progress_${job.jobId}_${now}`, payload, signal, TIMEOUT_MS)
      .catch(() => null)
    this.#inFlight -= 1
    if (!signal.aborted && (tried?.done === true || tried?.final !== true)) {
      entry.failures = tried?.done === true ? 0 : entry.failures + 1
      this.#rest(entry, job.jobId)
    }
    this.#pump()
  }

  /** After a message: the next one waits, twice as long after each failure. */
  #rest(entry: Entry, jobId: string): void {
    const pause = this.#intervalMs * 2 ** Math.min(entry.failures, 10)
    entry.timer = startTimer(
      () => {
        entry.isBusy = false
        if (entry.isChanged) this.#due.add(jobId)
        this.#pump()
      },
      Math.min(pause, Math.max(MAX_PAUSE_MS, this.#intervalMs)),
    ).unref()
  }
}

function newEntry(job: Job): Entry {
  return {
    job,
    isBusy: false,
    isChanged: false,
    failures: 0,
    sent: '',
    stop: new AbortController(),
    timer: undefined,
  }
}

/**
 * The original's progress message, and the keys of Standard Webhooks: `started` while an attempt runs, `failed` after a
 * failed one; null when the job was given back and waits.
 */
function progressOf(job: Job): object | null {
  const { number: attempt, errorCode, errorMessage } = lastAttempt(job)!
  const lease = job.status === 'processing' ? job.lease : null
  if (lease === null && errorMessage === null) return null
  return {
    task_id: job.ingestionTaskId,
    document_id: job.ingestion?.documentId ?? null,
    step: STEP,
    status: lease === null ? 'failed' : 'started',
    progress_percent: Math.round((lease?.progress ?? 0) * 1000) / 10,
    error_message: errorMessage,
    type: 'job.progress',
    data: {
      job_id: job.jobId,
      task_id: job.ingestionTaskId,
      status: job.status,
      content_type: job.contentType,
      attempt,
      stage: lease?.stage ?? null,
      media_seconds: lease?.mediaSeconds ?? null,
      processed_seconds: lease?.processedSeconds ?? null,
      error_code: errorCode,
    },
  }
}
