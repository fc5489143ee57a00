import type { Logger } from 'pino'
import { HOUR, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { startTimer } from '../../shared/timers.ts'
import { lastAttempt, type Job, type PendingJob } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import { requirementsOf } from '../job/requirements.ts'
import type { Results } from '../blobs/results.ts'
import type { Workers } from '../leases/workers.ts'
import { dueHereAt } from './fallback.ts'
import { LocalAttempt } from './local-attempt.ts'
import type { Processor, Processors } from './processors.ts'
import { Rests } from './rests.ts'

export interface LocalWorkerOptions {
  jobs: Jobs
  workers: Workers
  processors: Processors
  results: Results
  log: Logger
  /** How long jobs wait for a worker first; null: for ever. */
  fallbackAfterMs: number | null
}

/** So many at a time of each kind: the coordinator's machine is there to coordinate, and the MoRAG server has others. */
export const LOCAL_SLOTS = 2
/** How often it is looked whether the workers of a content type are still there. */
const RECHECK_MS = 5 * SECOND
/** How long nothing is begun after a change that could not be written down. */
const UNWRITTEN_MS = 30 * SECOND
/** setTimeout overflows at 2^31 ms; re-armed at least hourly. */
const MOST_WAIT_MS = HOUR
/** So many times as long as a look took, none is taken: with very many jobs that wait, it is no small thing. */
const REST = 20
/** The worker inside the coordinator: what is for nobody else, and what has waited too long for those who could. */
export class LocalWorker {
  readonly #options: LocalWorkerOptions
  #startedAt: number
  readonly #running = new Map<string, { attempt: LocalAttempt; ended: Promise<void> }>()
  readonly #rests = new Rests()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #lookAt = Infinity
  #restsUntil = 0

  constructor(options: LocalWorkerOptions) {
    this.#options = options
    this.#startedAt = options.jobs.now()
  }

  /** Gives back what an earlier run has left, and begins. */
  start(): void {
    const { jobs } = this.#options
    jobs.onChange((before, after) => this.#onChange((after ?? before)!.jobId, after))
    for (const job of jobs.inStatus('processing')) {
      const { workerId, number: attempt } = lastAttempt(job)!
      if (workerId !== LOCAL_WORKER) continue
      jobs
        .apply(job.jobId, { type: 'release', attempt })
        .catch((error: unknown) => this.#unwritten(job.jobId, error))
    }
    this.#look()
  }

  /** The clock was set by so much: what waits here waits no longer than it was to. */
  clockStepped(ms: number): void {
    this.#startedAt += ms
    this.#restsUntil += ms
    this.#rests.clockStepped(ms)
    if (this.#lookAt === Infinity) return
    this.#lookAt = Infinity
    this.#arm(this.#options.jobs.now())
  }

  /** Ends what runs, and gives it back: it is done anew after the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new AppError('cancelled', 'The coordinator stops.'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    await Promise.all([...this.#running.values()].map(({ ended }) => ended))
  }

  #onChange(jobId: string, after: Job | null): void {
    this.#running.get(jobId)?.attempt.notice(after)
    if (after?.status !== 'pending') return
    const at = this.#dueAt(after)
    if (at !== null) this.#arm(at)
  }

  #dueAt(job: PendingJob): number | null {
    const { fallbackAfterMs: afterMs } = this.#options
    return dueHereAt(job, { afterMs, startedAt: this.#startedAt })
  }

  /** Looks again at that instant, or once it has rested, unless it does so earlier. */
  #arm(due: number): void {
    const at = Math.max(due, this.#restsUntil)
    if (at >= this.#lookAt || this.#closing.signal.aborted) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#lookAt = at
    const wait = Math.min(MOST_WAIT_MS, Math.max(0, at - this.#options.jobs.now()))
    this.#timer = startTimer(() => this.#look(), wait).unref()
  }

  #look(): void {
    const begunAt = performance.now()
    let { best, again } = this.#next()
    for (; best !== null; { best, again } = this.#next()) this.#begin(best.job, best.processor)
    this.#lookAt = Infinity
    this.#restsUntil = this.#options.jobs.now() + REST * (performance.now() - begunAt)
    this.#arm(again)
  }

  /** The job that is to be begun, and when another may be. */
  #next(): { best: { job: PendingJob; processor: Processor } | null; again: number } {
    const { jobs } = this.#options
    const now = jobs.now()
    const isServed = this.#served()
    let best: { job: PendingJob; processor: Processor } | null = null
    let again = Infinity
    for (const job of jobs.inStatus('pending')) {
      if (job.status !== 'pending' || this.#running.has(job.jobId)) continue
      const found = this.#processorFor(job, now, isServed)
      if (typeof found === 'number') again = Math.min(again, found)
      else if (this.#hasPlace(found) && (best === null || goesBefore(job, best.job)))
        best = { job, processor: found }
    }
    return { best, again }
  }

  /** Who may begin a job here now; else when that is to be asked again. */
  #processorFor(
    job: PendingJob,
    now: number,
    isServed: (job: PendingJob) => boolean,
  ): Processor | number {
    const at = this.#dueAt(job) ?? Infinity
    if (at > now) return at
    if (job.ingestion?.local !== true && isServed(job)) return now + RECHECK_MS
    const processor = this.#options.processors.for(job)
    if (processor === null) return Infinity
    const isForUs = job.ingestion?.local === true
    if (!isForUs && requirementsOf(job).unfit.includes(processor.ability)) return Infinity
    const until = this.#rests.untilAt(processor, job.contentType)
    return until > now ? until : processor
  }

  /** Whether there is a worker who may have such a job, as of now. */
  #served(): (job: PendingJob) => boolean {
    const known = new Map<string, boolean>()
    return (job) => {
      const requirements = requirementsOf(job)
      const key = JSON.stringify([job.contentType, requirements.key])
      const served = known.get(key) ?? this.#options.workers.hasFor(job.contentType, requirements)
      known.set(key, served)
      return served
    }
  }

  #hasPlace({ name }: Processor): boolean {
    const busy = [...this.#running.values()].filter(({ attempt }) => attempt.processor === name)
    return busy.length < LOCAL_SLOTS
  }

  #begin({ jobId, contentType }: PendingJob, processor: Processor): void {
    const { jobs, results, log } = this.#options
    const closing = this.#closing.signal
    const attempt = new LocalAttempt({ jobId, processor, jobs, results, closing })
    const ended = attempt
      .run()
      .then((end) => {
        if (end === 'done') this.#rests.worked(processor, contentType)
        else if (end === 'refused') this.#rests.refused(processor, contentType, jobs.now())
        if (typeof end === 'string') return
        log.warn({ job_id: jobId }, end.message)
        this.#rests.pause(processor, jobs.now() + end.forMs)
      })
      .catch((error: unknown) => this.#unwritten(jobId, error))
      .finally(() => {
        this.#running.delete(jobId)
        this.#arm(jobs.now())
      })
    this.#running.set(jobId, { attempt, ended })
  }

  #unwritten(jobId: string, error: unknown): void {
    this.#rests.pauseAll(this.#options.jobs.now() + UNWRITTEN_MS)
    this.#options.log.error(
      { err: error, job_id: jobId },
      'failed to persist the state of a locally processed job',
    )
  }
}

/** As in the queue. */
function goesBefore(a: PendingJob, b: PendingJob): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.createdAt < b.createdAt)
}
