import { SECOND } from '../shared/duration.ts'
import { LOCAL_WORKER, type EstimateBasis } from '../shared/wire-fields.ts'
import { API, type ClaimedJob, type StatusAnswer } from '../shared/wire.ts'
import type { JobAnswer, JobSummary, WorkerAnswer } from '../shared/wire-answers.ts'
import type { Estimate, Estimates } from './job/estimate.ts'
import { LOCAL_SLOTS } from './ingestion/local-worker.ts'
import { ingestionView, shownContinuation } from './ingestion/ingestion-view.ts'
import { lastAttempt, type Job, type ProcessingJob } from './job/job.ts'
import type { Jobs } from './jobs.ts'
import { deadlineOf } from './job/lease.ts'
import type { LeaseTokens } from './leases/lease-tokens.ts'
import { inWords, requirementsOf } from './job/requirements.ts'
import type { SetAside } from './job/set-aside.ts'
import { etagOf } from './blobs/sources.ts'
import {
  shownAttempt,
  shownFailure,
  shownLease,
  shownResult,
  withoutToken,
} from './job/shown-job.ts'
import { withoutSecrets } from './job/task-options.ts'
import type { Worker } from './leases/worker.ts'
import type { Workers } from './leases/workers.ts'

type ShownStatus = StatusAnswer & { waitingFor: string | null; estimateBasis: EstimateBasis | null }

/** How often a worker should send a heartbeat: three fit into a lease. */
const HEARTBEATS_PER_LEASE = 3

/** A worker as it was last heard of, and what it works on. */
interface WorkerView extends Omit<Worker, 'ability'> {
  jobs: WorkerAnswer['jobs']
  setAside: WorkerAnswer['setAside']
}

/** Jobs and workers as the outside sees them. */
export class Views {
  readonly #jobs: Jobs
  readonly #workers: Workers
  readonly #estimates: Estimates
  readonly #tokens: LeaseTokens

  constructor(jobs: Jobs, workers: Workers, estimates: Estimates, tokens: LeaseTokens) {
    this.#jobs = jobs
    this.#workers = workers
    this.#estimates = estimates
    this.#tokens = tokens
  }

  get leaseSeconds(): number {
    return this.#jobs.policy.leaseMs / SECOND
  }

  get heartbeatSeconds(): number {
    return this.leaseSeconds / HEARTBEATS_PER_LEASE
  }

  /** What `GET …/status` says: the newest attempt is the one that counts. */
  status(job: Job): ShownStatus {
    return this.#status(job, this.#jobs.queue.place(job.jobId))
  }

  /** How long a job takes from now, or from when somebody is here who can do it; 0 of one that has ended. */
  remaining(job: Job): { seconds: number; basis: EstimateBasis | null } {
    const estimate = this.#estimate(job, this.#jobs.queue.place(job.jobId))
    if (estimate === null) return { seconds: 0, basis: null }
    const left = (estimate.completionAt - this.#jobs.now()) / SECOND
    return { seconds: Math.max(0, Math.round(left)), basis: estimate.basis }
  }

  /** One of many: without the place in the queue, which each would have to count for itself. */
  summary(job: Job): JobSummary {
    const { contentType, source, ingestionTaskId, priority, maxRetries } = job
    const { filename, sizeBytes } = source
    const lease = job.status === 'processing' ? job.lease : null
    const result = job.status === 'completed' ? job.result : null
    return {
      ...this.#status(job, null),
      contentType,
      filename,
      sizeBytes,
      ingestionTaskId,
      priority,
      maxRetries,
      availableAt: job.status === 'pending' ? job.availableAt : null,
      mediaSeconds: (lease ?? result)?.mediaSeconds ?? null,
      processedSeconds: lease?.processedSeconds ?? null,
      processingSeconds: result?.processingSeconds ?? null,
      continuation: shownContinuation(job),
    }
  }

  /** Everything about one job but its transcript. */
  detail(job: Job): JobAnswer {
    const { kind, filename, sizeBytes, sha256 } = job.source
    return {
      ...this.status(job),
      contentType: job.contentType,
      ingestionTaskId: job.ingestionTaskId,
      taskOptions: withoutSecrets(job.taskOptions),
      priority: job.priority,
      source: { kind, filename, sizeBytes, sha256 },
      maxRetries: job.maxRetries,
      availableAt: job.status === 'pending' ? job.availableAt : null,
      lease: job.status === 'processing' ? shownLease(job, this.#jobs.now()) : null,
      attempts: job.attempts.map(withoutToken),
      result: job.status === 'completed' ? shownResult(job) : null,
      ...ingestionView(job),
    }
  }

  /** What a worker gets for a job that it has claimed. */
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
      taskOptions: withoutSecrets(job.taskOptions),
    }
  }

  /** What a worker of the original protocol gets: the url holds all that the download needs. */
  polled(job: ProcessingJob): object {
    const { jobId } = job
    const token = this.#tokens.issue('download', job, lastAttempt(job)!.number)
    return {
      jobId,
      sourceFileUrl: `${API}/remote-jobs/${jobId}/download?token=${token}`,
      contentType: job.contentType,
      taskOptions: withoutSecrets(job.taskOptions),
    }
  }

  /** Who is here and what they do. @param wanted which of them; all when left out. */
  workers(wanted?: ReadonlySet<string>): WorkerView[] {
    const isWanted = (workerId: string): boolean => wanted?.has(workerId) ?? true
    const byWorker = new Map<string, WorkerView['jobs']>()
    for (const job of this.#jobs.inStatus('processing')) {
      const { workerId, startedAt } = lastAttempt(job)!
      if (job.status !== 'processing' || !isWanted(workerId)) continue
      const { stage, progress } = job.lease
      const list = byWorker.get(workerId) ?? []
      list.push({ jobId: job.jobId, filename: job.source.filename, stage, progress, startedAt })
      byWorker.set(workerId, list)
    }
    const found = this.#workers.all().filter(({ workerId }) => isWanted(workerId))
    return found.map((worker) => {
      const { ability: _, ...shown } = worker
      const setAside = shownSetAside(this.#workers.setAsideOf(worker.workerId))
      return { ...shown, jobs: byWorker.get(worker.workerId) ?? [], setAside }
    })
  }

  /** @param worker one that is known. */
  worker({ workerId }: Worker): WorkerView {
    return this.workers(new Set([workerId]))[0]!
  }

  #status(job: Job, place: Place | null): ShownStatus {
    const lease = job.status === 'processing' ? job.lease : null
    const { workerId, startedAt, attempt } = shownAttempt(job)
    const { errorCode, errorMessage } = shownFailure(job)
    const waitingFor = this.#waitingFor(job)
    // When it is done that nobody can do now, nobody knows.
    const estimate = waitingFor === null ? this.#estimate(job, place) : null
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

  /** What is not here that the job waits for: nobody can do it now. */
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
    const requirements = requirementsOf(job)
    return this.#estimates.of(job, {
      now: this.#jobs.now(),
      position: place?.position ?? null,
      bytesAhead: place?.bytesAhead ?? 0,
      slots: isLocal ? LOCAL_SLOTS : this.#workers.slotsFor(job.contentType, requirements),
      workerIds: isLocal ? [LOCAL_WORKER] : this.#workers.idsFor(job.contentType, requirements),
    })
  }
}

type Place = NonNullable<ReturnType<Jobs['queue']['place']>>

function shownSetAside(aside: SetAside | null): WorkerView['setAside'] {
  if (aside === null) return null
  return { until: new Date(aside.untilAt).toISOString(), reason: aside.reason }
}
