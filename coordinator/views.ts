import { setImmediate as nextTurn } from 'node:timers/promises'
import { SECOND } from '../shared/duration.ts'
import { writeJson } from '../shared/exact-json.ts'
import { toWire } from '../shared/keys.ts'
import { LOCAL_WORKER, type EstimateBasis } from '../shared/wire-fields.ts'
import { API, type ClaimedJob, type StatusAnswer } from '../shared/wire.ts'
import type { Term } from '../shared/vocabulary.ts'
import type { JobAnswer, JobSummary, WorkerAnswer } from '../shared/wire-answers.ts'
import type { Estimate, Estimates } from './job/estimate.ts'
import { LOCAL_SLOTS } from './ingestion/local-worker.ts'
import { ingestionView, shownContinuation } from './ingestion/ingestion-view.ts'
import {
  lastAttempt,
  type Attempt,
  type CompletedJob,
  type Job,
  type ProcessingJob,
} from './job/job.ts'
import type { Jobs } from './jobs.ts'
import { deadlineOf } from './job/lease.ts'
import type { LeaseTokens } from './leases/lease-tokens.ts'
import type { Place } from './job/queue.ts'
import { inWords, requirementsOf } from './job/requirements.ts'
import type { SetAside } from './job/circuit-breaker.ts'
import { shownUrl } from './blobs/origin-answer.ts'
import { etagOf } from './blobs/sources.ts'
import { withoutSecrets, withVocabulary } from './job/task-options.ts'
import type { Worker } from './leases/worker.ts'
import type { Workers } from './leases/workers.ts'

type ShownStatus = StatusAnswer & { waitingFor: string | null; estimateBasis: EstimateBasis | null }

const HEARTBEATS_PER_LEASE = 3
/** So many workers are shown before others have a turn. */
const SLICE = 200
const LOCALLY = { slots: LOCAL_SLOTS, has: (workerId: string) => workerId === LOCAL_WORKER }

/** A worker by its last reports, with its running jobs. */
interface WorkerView extends Omit<Worker, 'ability' | 'reportedAt'> {
  jobs: WorkerAnswer['jobs']
  setAside: WorkerAnswer['setAside']
}

/** Jobs and workers in the API's shape. */
export class Views {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #estimates: Estimates
  readonly #tokens: LeaseTokens
  readonly #vocabularyOf: (tokenId: string) => readonly Term[]

  /** @param vocabularyOf the terms of the token that submitted a job. */
  constructor(
    jobs: Jobs,
    workers: Workers,
    estimates: Estimates,
    tokens: LeaseTokens,
    vocabularyOf: (tokenId: string) => readonly Term[],
  ) {
    this.#jobs = jobs
    this.#workers = workers
    this.#estimates = estimates
    this.#tokens = tokens
    this.#vocabularyOf = vocabularyOf
  }

  get leaseSeconds(): number {
    return this.#jobs.policy.leaseMs / SECOND
  }

  get heartbeatSeconds(): number {
    return this.leaseSeconds / HEARTBEATS_PER_LEASE
  }

  async status(job: Job): Promise<ShownStatus> {
    return this.#status(job, await this.#placeOf(job))
  }

  /** How long a job takes from now, or from when a worker for it connects; 0 for one that has ended. */
  async remaining(job: Job): Promise<{ seconds: number; basis: EstimateBasis | null }> {
    const estimate = this.#estimate(job, await this.#placeOf(job))
    if (estimate === null) return { seconds: 0, basis: null }
    const left = (estimate.completionAt - this.#jobs.now()) / SECOND
    return { seconds: Math.max(0, Math.round(left)), basis: estimate.basis }
  }

  /** A job in a list, without its place in the queue. */
  summary(job: Job): JobSummary {
    const { filename, sizeBytes } = job.source
    const lease = job.status === 'processing' ? job.lease : null
    const result = job.status === 'completed' ? job.result : null
    return {
      ...this.#status(job, null),
      ...factsOf(job),
      filename,
      sizeBytes,
      mediaSeconds: (lease ?? result)?.mediaSeconds ?? null,
      processedSeconds: lease?.processedSeconds ?? null,
      processingSeconds: result?.processingSeconds ?? null,
      continuation: shownContinuation(job),
    }
  }

  async detail(job: Job): Promise<JobAnswer> {
    const { kind, filename, sizeBytes, sha256, origin } = job.source
    const url = origin === undefined ? null : shownUrl(origin.url)
    return {
      ...(await this.status(job)),
      ...factsOf(job),
      taskOptions: withoutSecrets(job.taskOptions),
      source: { kind, url, filename, sizeBytes, sha256 },
      lease: job.status === 'processing' ? leaseView(job, this.#jobs.now()) : null,
      attempts: job.attempts.map(shownAttempt),
      result: job.status === 'completed' ? resultView(job) : null,
      ...ingestionView(job),
    }
  }

  claimed(job: ProcessingJob): Omit<ClaimedJob, 'checkpoint'> {
    const { jobId, lease, source } = job
    const now = this.#jobs.now()
    const attempt = lastAttempt(job)!.number
    return {
      jobId,
      attempt,
      leaseToken: this.#tokens.issue('lease', job, attempt),
      leaseSeconds: this.leaseSeconds,
      heartbeatSeconds: this.heartbeatSeconds,
      deadlineSeconds: Math.max(0, (deadlineOf(lease, now) - now) / SECOND),
      contentType: job.contentType,
      source: {
        url: `${API}/remote-jobs/${jobId}/download`,
        filename: source.filename,
        sizeBytes: source.sizeBytes,
        sha256: source.sha256,
        etag: etagOf(job),
      },
      taskOptions: this.#optionsOf(job),
    }
  }

  /** The answer to a worker of the original protocol: the URL alone authorises the download. */
  polled(job: ProcessingJob): object {
    const { jobId } = job
    const token = this.#tokens.issue('download', job, lastAttempt(job)!.number)
    return {
      jobId,
      sourceFileUrl: `${API}/remote-jobs/${jobId}/download?token=${token}`,
      contentType: job.contentType,
      taskOptions: this.#optionsOf(job),
    }
  }

  /** As its worker gets them. */
  #optionsOf({ taskOptions, submittedBy }: Job): Record<string, unknown> {
    const terms = submittedBy === null ? [] : this.#vocabularyOf(submittedBy)
    return withVocabulary(withoutSecrets(taskOptions), terms)
  }

  /** Those of these workers that are known. */
  async workers(wanted: readonly string[]): Promise<WorkerView[]> {
    const found = wanted.flatMap((workerId) => this.#workers.find(workerId) ?? [])
    return await Promise.all(found.map(async (worker) => await this.worker(worker)))
  }

  /** The JSON of all workers: of thousands it takes long, so others have their turns meanwhile. */
  async allWorkers(): Promise<string> {
    const parts: string[] = []
    const ids = this.#workers.all().map(({ workerId }) => workerId)
    for (let from = 0; from < ids.length; from += SLICE) {
      const slice = await this.workers(ids.slice(from, from + SLICE))
      if (slice.length > 0) parts.push(writeJson(toWire(slice)).slice(1, -1))
      await nextTurn()
    }
    return `[${parts.join(',')}]`
  }

  async worker(worker: Worker): Promise<WorkerView> {
    const { ability: _, reportedAt: __, ...shown } = worker
    const { workerId } = shown
    const held = await this.#jobs.reader.heldBy(workerId)
    const jobs = held.map(({ jobId, source, lease, attempts }) => {
      const { stage, progress } = lease
      const { startedAt } = attempts.at(-1)!
      return { jobId, filename: source.filename, stage, progress, startedAt }
    })
    return { ...shown, jobs, setAside: setAsideView(this.#workers.setAsideOf(workerId)) }
  }

  async #placeOf({ status, jobId }: Job): Promise<Place | null> {
    return status === 'pending' ? await this.#jobs.reader.place(jobId) : null
  }

  #status(job: Job, place: Place | null): ShownStatus {
    const lease = job.status === 'processing' ? job.lease : null
    const { attempt, workerId, startedAt } = attemptView(job)
    const { errorCode, errorMessage } = failureView(job)
    const waitingFor = this.#waitingFor(job)
    const estimate = waitingFor === null ? this.#estimate(job, place) : null
    // The keys of the original system come first, in its order.
    return {
      jobId: job.jobId,
      status: job.status,
      workerId,
      createdAt: job.createdAt,
      startedAt,
      completedAt: 'completedAt' in job ? job.completedAt : null,
      errorMessage,
      retryCount: job.retryCount,
      estimatedCompletion: estimate && new Date(estimate.completionAt).toISOString(),
      errorCode,
      stage: lease?.stage ?? null,
      progress: lease?.progress ?? null,
      queuePosition: place?.position ?? null,
      attempt,
      waitingFor,
      estimateBasis: estimate?.basis ?? null,
    }
  }

  /** What the job waits for, if no connected worker can do it. */
  #waitingFor(job: Job): string | null {
    if (job.status !== 'pending' || job.ingestion?.local === true) return null
    const requirements = requirementsOf(job)
    if (this.#workers.hasFor(job.contentType, requirements)) return null
    const words = inWords(requirements)
    const lacking = words === '' ? '' : ` that has ${words}`
    return `a worker for ${job.contentType}${lacking}`
  }

  #estimate(job: Job, place: Place | null): Estimate | null {
    const isLocal = job.ingestion?.local === true
    const able = isLocal ? LOCALLY : this.#workers.ableTo(job.contentType, requirementsOf(job))
    return this.#estimates.of(job, {
      now: this.#jobs.now(),
      position: place?.position ?? null,
      bytesAhead: place?.bytesAhead ?? 0,
      slots: able.slots,
      workerIds: able,
    })
  }
}

function attemptView(job: Job): Pick<StatusAnswer, 'attempt' | 'workerId' | 'startedAt'> {
  const last = lastAttempt(job)
  const holder = job.status === 'pending' ? undefined : last
  return {
    attempt: last?.number ?? 0,
    workerId: holder?.workerId ?? null,
    startedAt: holder?.startedAt ?? null,
  }
}

/** Why the job failed, or while it may still succeed, why its last attempt did. */
function failureView(job: Job): Pick<StatusAnswer, 'errorCode' | 'errorMessage'> {
  if ('error' in job) return { errorCode: job.error.code, errorMessage: job.error.message }
  const last = lastAttempt(job)
  return { errorCode: last?.errorCode ?? null, errorMessage: last?.errorMessage ?? null }
}

function factsOf(job: Job) {
  const { contentType, ingestionTaskId, priority, maxRetries } = job
  const availableAt = job.status === 'pending' ? job.availableAt : null
  return { contentType, ingestionTaskId, priority, maxRetries, availableAt }
}

/** Token ids stay in the job's file and in the log. */
/** By name: what a newer version keeps of an attempt is not for everybody. */
function shownAttempt(attempt: Attempt): JobAnswer['attempts'][number] {
  const { number, workerId, leased, startedAt, endedAt, outcome, errorCode, errorMessage } = attempt
  return { number, workerId, leased, startedAt, endedAt, outcome, errorCode, errorMessage }
}

function leaseView({ lease }: ProcessingJob, now: number): NonNullable<JobAnswer['lease']> {
  const { expiresAt, processedSeconds } = lease
  return { expiresAt, deadlineAt: deadlineOf(lease, now), processedSeconds }
}

function resultView({ result }: CompletedJob): NonNullable<JobAnswer['result']> {
  const { processingSeconds, mediaSeconds } = result
  return { processingSeconds, mediaSeconds }
}

function setAsideView(setAside: SetAside | null): WorkerView['setAside'] {
  if (setAside === null) return null
  return { until: new Date(setAside.untilAt).toISOString(), reason: setAside.reason }
}
