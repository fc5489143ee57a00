import { randomUUID } from 'node:crypto'
import type { Logger } from 'pino'
import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { startTimer } from '../../shared/timers.ts'
import { lastAttempt, type Job, type PendingJob } from '../job/job.ts'
import type { Jobs, JobSubscriber } from '../jobs.ts'
import { goesBefore } from '../job/queue.ts'
import { requirementsOf } from '../job/requirements.ts'
import type { Results } from '../blobs/results.ts'
import type { Workers } from '../leases/workers.ts'
import type { Peers } from '../storage/peers.ts'
import { dueHereAt, refusedUntil } from './fallback.ts'
import { LocalAttempt } from './local-attempt.ts'
import { ProcessorPauses } from './processor-pauses.ts'
import type { Processor, Processors } from './processors.ts'

export interface LocalWorkerOptions {
  jobs: Jobs
  workers: Workers
  processors: Processors
  results: Results
  log: Logger
  /** How long jobs wait for a worker first; null: the coordinator never takes them. */
  fallbackAfterMs: number | null
  /** The other coordinators that may process the same jobs; null: there are none. */
  peers?: Peers | null
}

/** Jobs at a time of each kind of processor: the machine has to coordinate, and the MoRAG server has other clients. */
export const LOCAL_SLOTS = 2
/** How often it is checked whether the workers of a content type are gone, and a server that refused a job upgraded. */
const RECHECK_MS = 5 * SECOND
/** The pause of a MoRAG server that does not answer. */
const AWAY_MS = MINUTE
/** The pause of all processors after a change could not be persisted. */
const UNWRITTEN_MS = 30 * SECOND
/** setTimeout overflows at 2^31 ms; re-armed at least hourly. */
const MAX_WAIT_MS = HOUR
/** The pause after a pass over the waiting jobs, as a multiple of its duration: with very many jobs it takes long. */
const REST = 20
/** Jobs looked at in a pass, where other coordinators may have them, too. */
const MOST_LOOKED_AT = 200

/**
 * The worker inside the coordinator: for jobs that only the coordinator may process, and for those that waited too long
 * for a worker.
 */
export class LocalWorker implements JobSubscriber {
  readonly #options: LocalWorkerOptions
  /** Names its attempts among those of other coordinators; null: there are none. */
  readonly #holder: string | null
  #startedAt: number
  readonly #running = new Map<string, { attempt: LocalAttempt; ended: Promise<void> }>()
  readonly #pauses = new ProcessorPauses()
  #describing: Promise<void> | null = null
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #lookAt = Infinity
  #nextPassAt = 0

  constructor(options: LocalWorkerOptions) {
    this.#options = options
    this.#startedAt = options.jobs.now()
    const peers = options.peers ?? null
    this.#holder = peers && `local:${randomUUID()}`
    peers?.signals.on((news) => {
      if (news.about === 'job') void this.#notice(news.jobId).catch(() => undefined)
    })
  }

  /** Gives back the attempts that an earlier run left, and begins. */
  async start(): Promise<void> {
    const { jobs } = this.#options
    // The leases of other coordinators run out where these are gone.
    const running = this.#holder === null ? await jobs.reader.running() : []
    for (const job of running) {
      const { workerId, number: attempt } = lastAttempt(job)!
      if (workerId !== LOCAL_WORKER) continue
      jobs
        .apply(job.jobId, { type: 'release', attempt })
        .catch((error: unknown) => this.#unwritten(job.jobId, error))
    }
    await this.#look()
  }

  /** The clock was set forward by `ms`: waits last as long as before. */
  clockStepped(ms: number): void {
    this.#startedAt += ms
    this.#nextPassAt += ms
    this.#pauses.clockStepped(ms)
    if (this.#lookAt === Infinity) return
    this.#lookAt = Infinity
    this.#arm(this.#options.jobs.now())
  }

  /** Ends the running attempts and gives them back, for the next start. */
  async close(): Promise<void> {
    this.#closing.abort(new AppError('cancelled', 'The coordinator stops.'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    await Promise.all([this.#describing, ...[...this.#running.values()].map(({ ended }) => ended)])
  }

  onChange(before: Job | null, after: Job | null): void {
    const { jobId } = (after ?? before)!
    this.#running.get(jobId)?.attempt.notice(after)
    if (after?.status !== 'pending') return
    const at = this.#dueAt(after)
    if (at !== null) this.#arm(at)
  }

  /** Looks at a job that another coordinator has changed. */
  async #notice(jobId: string): Promise<void> {
    if (this.#running.has(jobId))
      this.#running.get(jobId)?.attempt.notice((await this.#options.jobs.find(jobId)) ?? null)
  }

  #dueAt(job: PendingJob): number | null {
    const { fallbackAfterMs: afterMs } = this.#options
    return dueHereAt(job, { afterMs, startedAt: this.#startedAt })
  }

  /** Schedules a pass, after the pause of the last one, unless an earlier one is scheduled. */
  #arm(due: number): void {
    const at = Math.max(due, this.#nextPassAt)
    if (at >= this.#lookAt || this.#closing.signal.aborted) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#lookAt = at
    const wait = Math.min(MAX_WAIT_MS, Math.max(0, at - this.#options.jobs.now()))
    this.#timer = startTimer(() => void this.#look(), wait).unref()
  }

  async #look(): Promise<void> {
    // Before the read: a job that comes meanwhile is looked at again.
    this.#lookAt = Infinity
    const waiting = await this.#waiting().catch((error: unknown) => {
      this.#options.log.warn({ err: error }, 'cannot look for jobs to be processed here; retrying')
      return []
    })
    if (this.#closing.signal.aborted) return
    const begunAt = performance.now()
    let { best, again } = this.#next(waiting)
    for (; best !== null; { best, again } = this.#next(waiting))
      this.#begin(best.job, best.processor)
    this.#nextPassAt = this.#options.jobs.now() + REST * (performance.now() - begunAt)
    this.#arm(
      this.#holder === null ? again : Math.min(again, this.#options.jobs.now() + RECHECK_MS),
    )
  }

  async #waiting(): Promise<PendingJob[]> {
    const { jobs, peers, fallbackAfterMs } = this.#options
    if (!peers) return await jobs.reader.waiting()
    const openBefore = fallbackAfterMs === null ? null : jobs.now() - fallbackAfterMs
    return await peers.waitingHere(openBefore, MOST_LOOKED_AT)
  }

  /** The job to begin now, and when to look for the next. */
  #next(waiting: readonly PendingJob[]): {
    best: { job: PendingJob; processor: Processor } | null
    again: number
  } {
    const now = this.#options.jobs.now()
    const isServed = this.#served()
    let best: { job: PendingJob; processor: Processor } | null = null
    let again = Infinity
    for (const job of waiting) {
      if (this.#running.has(job.jobId)) continue
      const found = this.#processorFor(job, now, isServed)
      if (typeof found === 'number') again = Math.min(again, found)
      else if (this.#hasPlace(found) && (best === null || goesBefore(job, best.job)))
        best = { job, processor: found }
    }
    return { best, again }
  }

  /** The processor that may begin a job now; else when to ask again. */
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
    const until = this.#pauses.untilAt(processor, job.contentType)
    if (until > now) return until
    if (processor.ability === null) {
      this.#describe(processor)
      return Infinity
    }
    const refused = refusedUntil(job, processor)
    if (refused <= now) return processor
    return processor.name === 'morag' ? Math.min(refused, now + RECHECK_MS) : refused
  }

  /** Looks again once the processor's ability is known, or its pause is over. */
  #describe(processor: Processor): void {
    const { jobs, log } = this.#options
    this.#describing ??= processor.describe!(this.#closing.signal)
      .catch((error: unknown) => {
        if (this.#closing.signal.aborted) return
        log.warn(messageOf(error))
        this.#pauses.pause(processor, jobs.now() + AWAY_MS)
      })
      .finally(() => {
        this.#describing = null
        this.#arm(jobs.now())
      })
  }

  /** Whether a connected worker may have a job; remembers its answers. */
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
    const holder = this.#holder
    const attempt = new LocalAttempt({ jobId, processor, jobs, results, closing, holder })
    const ended = attempt
      .run()
      .then((end) => {
        if (end === 'done') this.#pauses.worked(processor, contentType)
        else if (end === 'refused') this.#pauses.refused(processor, contentType, jobs.now())
        if (typeof end === 'string') return
        log.warn({ job_id: jobId }, end.message)
        this.#pauses.pause(processor, jobs.now() + end.forMs)
      })
      .catch((error: unknown) => this.#unwritten(jobId, error))
      .finally(() => {
        this.#running.delete(jobId)
        this.#arm(jobs.now())
      })
    this.#running.set(jobId, { attempt, ended })
  }

  #unwritten(jobId: string, error: unknown): void {
    this.#pauses.pauseAll(this.#options.jobs.now() + UNWRITTEN_MS)
    this.#options.log.error(
      { err: error, job_id: jobId },
      'failed to persist the state of a locally processed job',
    )
  }
}
