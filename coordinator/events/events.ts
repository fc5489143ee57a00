import type { ServerResponse } from 'node:http'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { startInterval } from '../../shared/timers.ts'
import { diskSpace } from '../blobs/disk.ts'
import { Batch } from './batch.ts'
import { ChangeLog } from './change-log.ts'
import { jobKey, QUEUE, workerKey } from './keys.ts'
import { Reader, type Sees } from './reader.ts'
import { newest, Texts, type TextsOptions } from './texts.ts'
import { baseOf, lastAttempt, type Job } from '../job/job.ts'
import { Tally } from './tally.ts'

export interface EventsOptions extends TextsOptions {
  dataDir: string
  limits?: Partial<typeof LIMITS>
}

const LIMITS = {
  streams: 256,
  mostBehindBytes: 4 * 1024 * 1024,
  /** How many things that changed are remembered for readers that come back. */
  changes: 4_096,
  pingMs: 15 * SECOND,
}
/** What changes together is told together. */
const SOON_MS = 100
/** Progress, workers and the queue are told of no more often. */
const CALM_MS = SECOND
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'x-accel-buffering': 'no',
}

/** The event streams: what is there, then what changes. Each change is told as it is by then, not step by step. */
export class Events {
  readonly #options: EventsOptions
  readonly #limits: typeof LIMITS
  readonly #readers = new Set<Reader>()
  readonly #log: ChangeLog<Job | null>
  readonly #gone = new Map<string, Job>()
  readonly #soon: Batch
  readonly #calm: Batch
  readonly #texts: Texts
  readonly #timer: NodeJS.Timeout
  #closed = false
  /** Of all jobs. */
  readonly tally: Tally

  constructor(options: EventsOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#log = new ChangeLog(this.#limits.changes)
    const clock = (): number => performance.now()
    this.#soon = new Batch(SOON_MS, clock, (keys) => this.#tell(keys))
    this.#calm = new Batch(CALM_MS, clock, (keys) => this.#tell(keys))
    this.tally = new Tally(options.jobs.all())
    this.#texts = new Texts(options, this.tally)
    this.#listen()
    this.#timer = startInterval(() => void this.#tick(), this.#limits.pingMs).unref()
  }

  /** How many streams are open. */
  get size(): number {
    return this.#readers.size
  }

  /**
   * Begins a stream: with what was missed since an event, else with everything.
   * @param lastEventId null: it has seen none.
   * @param sees null: all jobs, and the workers; else these jobs alone.
   * @throws {AppError} `too_many_requests`; `unavailable` once the coordinator stops.
   */
  async open(answer: ServerResponse, lastEventId: string | null, sees: Sees | null): Promise<void> {
    this.#texts.disk ??= await diskSpace(this.#options.dataDir)
    if (this.#closed) throw new AppError('unavailable', 'The coordinator stops.')
    if (this.size >= this.#limits.streams) {
      const full = `${this.size} event streams are open already: close one, or ask again later.`
      throw new AppError('too_many_requests', full)
    }
    if (answer.destroyed) return
    const tally = sees === null ? this.tally : new Tally(this.#options.jobs.all(), sees)
    const reader = new Reader(answer, sees, tally, this.#limits.mostBehindBytes)
    answer.writeHead(200, HEADERS)
    this.#readers.add(reader)
    answer.once('close', () => this.#readers.delete(reader))
    const missed = lastEventId === null ? null : this.#log.since(lastEventId)
    const first =
      missed === null
        ? this.#texts.snapshot(this.#log.id, reader)
        : this.#texts.telling(missed)(reader)
    reader.send(`retry: 3000\n\n${first}`)
  }

  /** Ends all streams: the coordinator stops. */
  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    this.#soon.close()
    this.#calm.close()
    for (const reader of this.#readers) reader.end()
  }

  #listen(): void {
    const { jobs, workers } = this.#options
    jobs.onChange((before, after) => this.#changed(before, after))
    jobs.onDetail((before, after) => {
      const key = jobKey(after.jobId)
      if (after.status !== 'processing') this.#soon.add(key)
      else if (hasMoved(before, after)) this.#calm.add(key)
    })
    workers.onChange((workerId) => {
      this.#calm.add(workerKey(workerId))
      this.#calm.add(QUEUE)
    })
    workers.onAnnounce(() => this.#tellWaiting())
  }

  #changed(before: Job | null, after: Job | null): void {
    this.tally.change(before, after)
    for (const { sees, tally } of this.#readers) if (sees !== null) tally.change(before, after)
    const { jobId } = (after ?? before)!
    if (after === null) this.#gone.set(jobKey(jobId), shadowOf(before!))
    this.#soon.add(jobKey(jobId))
    this.#calm.add(QUEUE)
    for (const job of [before, after])
      if (job?.status === 'processing') this.#calm.add(workerKey(lastAttempt(job)!.workerId))
  }

  #tell(keys: readonly string[]): void {
    const changes = keys.map((key) => {
      // Told now, it need not be told again.
      this.#calm.delete(key)
      const gone = this.#gone.get(key) ?? null
      this.#gone.delete(key)
      return this.#log.add(key, gone)
    })
    if (this.size === 0) return
    const telling = this.#texts.telling(changes)
    for (const reader of this.#readers) reader.send(telling(reader))
  }

  /** What nothing else tells of: that time passes, and that a worker has not been heard of. */
  async #tick(): Promise<void> {
    if (this.size === 0) return
    for (const reader of this.#readers) reader.send(':\n\n')
    this.#tellWaiting()
    this.#texts.disk = await diskSpace(this.#options.dataDir)
    this.#calm.add(QUEUE)
  }

  /** What these jobs wait for depends on who is here. */
  #tellWaiting(): void {
    if (this.size === 0) return
    for (const { jobId } of newest(this.#options.jobs, isWaiting)) {
      this.#calm.add(jobKey(jobId))
    }
  }
}

function isWaiting({ status }: Job): boolean {
  return status === 'pending'
}

function hasMoved(before: Job, after: Job): boolean {
  if (before.status !== 'processing' || after.status !== 'processing') return true
  const { movedAt, mediaSeconds } = after.lease
  return movedAt !== before.lease.movedAt || mediaSeconds !== before.lease.mediaSeconds
}

/** What is kept of a job that is gone: enough to know who saw it. */
function shadowOf(job: Job): Job {
  const rest = { ...baseOf(job), taskOptions: {}, ingestion: null, attempts: [] }
  return { ...rest, status: 'cancelled', completedAt: 0, continuation: null }
}
