import type { ServerResponse } from 'node:http'
import { SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { startInterval } from '../../shared/timers.ts'
import type { Checkpoints } from '../blobs/checkpoints.ts'
import { diskSpace } from '../blobs/disk.ts'
import { Batch } from './batch.ts'
import { ChangeLog } from './change-log.ts'
import { NewText } from './new-text.ts'
import { Reader } from './reader.ts'
import {
  frameText,
  jobKey,
  QUEUE,
  SNAPSHOT_JOBS,
  Texts,
  workerKey,
  type Changes,
  type TextsOptions,
} from './texts.ts'
import { baseOf, lastAttempt, type Job } from '../job/job.ts'
import type { JobSubscriber } from '../jobs.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { News, Peers } from '../storage/peers.ts'
import { Traces } from './traces.ts'

export interface EventsOptions extends TextsOptions {
  dataDir: string
  checkpoints: Pick<Checkpoints, 'onKept' | 'partialText'>
  /** The other coordinators that change the same jobs; null: there are none. */
  peers?: Peers | null
  limits?: Partial<typeof LIMITS>
}

const LIMITS = {
  streams: 256,
  maxBufferedBytes: 4 * 1024 * 1024,
  /** Changes kept for clients that resume. */
  changes: 4_096,
  pingMs: 15 * SECOND,
}
/** Changes of jobs within this time are sent together. */
const SOON_MS = 100
/** The least time between two events about progress, a worker or the queue. */
const CALM_MS = SECOND
/** How often the jobs that streams show are compared, where other coordinators change them, too. */
const COMPARE_MS = 2 * SECOND
const HEADERS = {
  'content-type': 'text/event-stream; charset=utf-8',
  'x-accel-buffering': 'no',
}

/** The event streams: a snapshot, then changes. Each event shows the current state, not every step. */
export class Events implements JobSubscriber {
  readonly #options: EventsOptions
  readonly #limits: typeof LIMITS
  readonly #readers = new Set<Reader>()
  readonly #log: ChangeLog<Job | null>
  readonly #gone = new Map<string, Job>()
  readonly #soon: Batch
  readonly #calm: Batch
  readonly #spoken: Batch
  /** Workers that may have other jobs than before. */
  readonly #able: Batch
  readonly #newText: NewText
  readonly #texts: Texts
  readonly #timer: NodeJS.Timeout
  readonly #traces: Traces | null
  readonly #comparing: NodeJS.Timeout | undefined
  /** Snapshots and changes are sent one after the other. */
  readonly #turns = new KeyedMutex()
  #closed = false

  constructor(options: EventsOptions) {
    this.#options = options
    this.#limits = { ...LIMITS, ...options.limits }
    this.#log = new ChangeLog(this.#limits.changes)
    const clock = (): number => performance.now()
    this.#soon = new Batch(SOON_MS, clock, (keys) => this.#send(keys))
    this.#calm = new Batch(CALM_MS, clock, (keys) => this.#send(keys))
    this.#texts = new Texts(options)
    options.workers.onUpdate((workerId) => {
      this.#calm.add(workerKey(workerId))
      this.#calm.add(QUEUE)
    })
    this.#newText = new NewText(options.checkpoints)
    this.#spoken = new Batch(CALM_MS, clock, (ids) => tried(this.#sendText(ids)))
    options.checkpoints.onKept((jobId) => {
      if (this.size > 0) this.#spoken.add(jobId)
    })
    this.#able = new Batch(CALM_MS, clock, () => tried(this.#refreshWaiting()))
    options.workers.onAnnounce((workerId) => this.#able.add(workerId))
    this.#timer = startInterval(() => tried(this.#tick()), this.#limits.pingMs).unref()
    const peers = options.peers ?? null
    this.#traces = peers && new Traces()
    peers?.signals.on((news) => this.#heard(news))
    if (peers !== null)
      this.#comparing = startInterval(() => tried(this.#compare()), COMPARE_MS).unref()
  }

  get size(): number {
    return this.#readers.size
  }

  /**
   * Opens a stream: with the changes since an event, else with a snapshot.
   * @param submittedBy whose jobs alone; undefined: all jobs, and the workers.
   * @throws {AppError} `too_many_requests`; `unavailable` once the coordinator stops.
   */
  async open(
    answer: ServerResponse,
    lastEventId: string | null,
    submittedBy: string | null | undefined,
  ): Promise<void> {
    this.#texts.disk ??= await diskSpace(this.#options.dataDir)
    if (this.#closed) throw new AppError('unavailable', 'The coordinator stops.')
    if (this.size >= this.#limits.streams) {
      const full = `${this.size} event streams are open already: close one, or ask again later.`
      throw new AppError('too_many_requests', full)
    }
    if (answer.destroyed) return
    const reader = new Reader(answer, submittedBy, this.#limits.maxBufferedBytes)
    answer.writeHead(200, HEADERS)
    this.#readers.add(reader)
    answer.once('close', () => this.#readers.delete(reader))
    await this.#inTurn(async () => {
      const missed = lastEventId === null ? null : this.#log.since(lastEventId)
      const first =
        missed === null
          ? await this.#texts.snapshot(this.#log.id, submittedBy)
          : await (
              await this.#texts.textOf(missed)
            )(reader)
      reader.send(`retry: 3000\n\n${first}`)
      reader.hasBegun = true
    })
  }

  close(): void {
    this.#closed = true
    clearInterval(this.#timer)
    clearInterval(this.#comparing)
    this.#soon.close()
    this.#calm.close()
    this.#spoken.close()
    this.#able.close()
    for (const reader of this.#readers) reader.end()
  }

  onDetail(before: Job, after: Job): void {
    this.#traces?.note(after)
    const key = jobKey(after.jobId)
    if (after.status !== 'processing') this.#soon.add(key)
    else if (hasMoved(before, after)) this.#calm.add(key)
  }

  onChange(before: Job | null, after: Job | null): void {
    const { jobId } = (after ?? before)!
    this.#newText.forget(jobId)
    if (after !== null) this.#traces?.note(after)
    if (after === null) this.#gone.set(jobKey(jobId), shadowOf(before!))
    this.#soon.add(jobKey(jobId))
    this.#calm.add(QUEUE)
    for (const job of [before, after])
      if (job?.status === 'processing') this.#calm.add(workerKey(lastAttempt(job)!.workerId))
  }

  #heard(news: News): void {
    if (news.about === 'job') {
      this.#newText.forget(news.jobId)
      this.#soon.add(jobKey(news.jobId))
      this.#calm.add(QUEUE)
    } else if (news.about === 'all') {
      this.#log.forget()
      void this.#inTurn(async () => {
        for (const reader of this.#begun())
          reader.send(await this.#texts.snapshot(this.#log.id, reader.submittedBy))
      })
    }
  }

  /** Finds what other coordinators have changed without news, like the progress of their jobs. */
  async #compare(): Promise<void> {
    if (this.size === 0) return this.#traces!.clear()
    const { jobs } = await this.#options.jobs.reader.list({}, SNAPSHOT_JOBS)
    for (const jobId of this.#traces!.changed(jobs)) {
      this.#calm.add(jobKey(jobId))
      this.#spoken.add(jobId)
    }
    this.#calm.add(QUEUE)
  }

  #send(keys: readonly string[]): void {
    const changes = keys.map((key) => {
      // This event covers a later one that is scheduled.
      this.#calm.delete(key)
      const gone = this.#gone.get(key) ?? null
      this.#gone.delete(key)
      return this.#log.add(key, gone)
    })
    if (this.size > 0) void this.#inTurn(async () => await this.#sendChanges(changes))
  }

  async #sendChanges(changes: Changes): Promise<void> {
    const textOf = await this.#texts.textOf(changes)
    for (const reader of this.#begun()) reader.send(await textOf(reader))
  }

  /** After a failure the streams end: their clients resume from the last event that they have. */
  async #inTurn(send: () => Promise<void>): Promise<void> {
    try {
      await this.#turns.take('', send)
    } catch {
      for (const reader of this.#readers) reader.end()
    }
  }

  #begun(): Reader[] {
    return [...this.#readers].filter(({ hasBegun }) => hasBegun)
  }

  /** What is new of the text of jobs. It has no id: who missed some reads it with `partial=true`. */
  async #sendText(ids: readonly string[]): Promise<void> {
    const { jobs } = this.#options
    for (const jobId of ids) {
      const job = await jobs.find(jobId)
      if (job?.status !== 'processing') continue
      const news = await this.#newText.of(job)
      if ((await jobs.find(jobId))?.status !== 'processing') this.#newText.forget(jobId)
      if (news === null || this.#closed) continue
      const text = frameText(null, 'text', news)
      for (const reader of this.#begun()) if (reader.sees(job)) reader.send(text)
    }
  }

  /** A ping, and changes by time alone, like a worker that falls silent. */
  async #tick(): Promise<void> {
    if (this.size === 0) return
    for (const reader of this.#begun()) reader.send(':\n\n')
    await this.#refreshWaiting()
    this.#texts.disk = await diskSpace(this.#options.dataDir)
    this.#calm.add(QUEUE)
  }

  /** What waiting jobs show depends on the connected workers. */
  async #refreshWaiting(): Promise<void> {
    if (this.size === 0) return
    const { jobs } = await this.#options.jobs.reader.list({ status: 'pending' }, SNAPSHOT_JOBS)
    for (const { jobId } of jobs) this.#calm.add(jobKey(jobId))
  }
}

/** What is shown of other coordinators, of time or of text comes with the next look, if this one fails. */
function tried(look: Promise<void>): void {
  void look.catch(() => undefined)
}

function hasMoved(before: Job, after: Job): boolean {
  if (before.status !== 'processing' || after.status !== 'processing') return true
  const { movedAt, mediaSeconds } = after.lease
  return movedAt !== before.lease.movedAt || mediaSeconds !== before.lease.mediaSeconds
}

/** The remains of a removed job, for the readers' filters. */
function shadowOf(job: Job): Job {
  const rest = { ...baseOf(job), taskOptions: {}, ingestion: null, attempts: [] }
  return { ...rest, status: 'cancelled', completedAt: 0, continuation: null }
}
