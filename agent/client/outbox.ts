import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { delay } from '../../shared/timers.ts'
import { isDefinitive } from './delivery.ts'
import { moveFolder, writeDurably } from './durable.ts'
import {
  filesOf,
  isFiles,
  readDelivery,
  writeDelivery,
  type DeliveryRecord,
} from './delivery-record.ts'
import { backoffMs } from './retry.ts'

/** What became of a parcel: `kept` is on disk still, for the next start. */
export type Delivery = 'delivered' | 'refused' | 'kept'

export interface OutboxOptions {
  /** Sends one parcel, once, its files from `folder` first; throws what the coordinator answered. `onSent`: some of it went. */
  deliver: (
    outgoing: DeliveryRecord,
    folder: string,
    signal: AbortSignal,
    onSent: () => void,
  ) => Promise<void>
  onDelivered?: (outgoing: DeliveryRecord) => void
  /** A parcel nobody will ever take, or a file that is none; it is kept in `file`. */
  onRefused: (outgoing: DeliveryRecord | null, file: string, error: unknown) => void
  /** The files of a parcel could not be saved: it goes without them. */
  onFilesLost: (outgoing: DeliveryRecord, error: unknown) => void
  /** A parcel that could not be sent, or not even be saved: it waits for another try. */
  onDelayed: (outgoing: DeliveryRecord, error: unknown, failures: number) => void
  retryMinMs?: number
  retryMaxMs?: number
}

/** A request of which nothing goes for longer is stuck. */
const STUCK_MS = 60_000

interface Waiting {
  outgoing: DeliveryRecord
  file: string
  failures: number
  /** On the clock of performance.now(). */
  dueAt: number
  /** Until then the coordinator wants to be left alone with it. */
  notBefore: number
  settle: (delivery: Delivery) => void
}

/**
 * Results on disk until the coordinator has them: saved and synced before anything is sent, then sent in the background
 * with growing pauses, across restarts.
 */
export class Outbox {
  readonly folder: string
  /** How many parcels were refused since it was opened. */
  refused = 0
  readonly #options: OutboxOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #closed = new AbortController()
  #wake: () => void = () => {}
  /** When a byte last went, on the clock of performance.now(). */
  #movedAt = 0
  #emptied: (() => void)[] = []
  #loop: Promise<void> = Promise.resolve()

  private constructor(folder: string, options: OutboxOptions) {
    this.folder = folder
    this.#options = options
  }

  /** Opens a folder and begins to deliver what an earlier run left there. */
  static async open(folder: string, options: OutboxOptions): Promise<Outbox> {
    await mkdir(path.join(folder, 'refused'), { recursive: true, mode: 0o700 })
    const outbox = new Outbox(folder, options)
    const names = (await readdir(folder)).toSorted()
    for (const name of names) {
      if (name.endsWith('.tmp')) await rm(path.join(folder, name), { force: true })
      if (name.endsWith('.json')) await outbox.#load(name)
    }
    await outbox.#removeOrphans(names)
    outbox.#loop = outbox.#deliverAll()
    return outbox
  }

  /** How many parcels the coordinator does not have yet. */
  get size(): number {
    return this.#waiting.size
  }

  /** Until when nothing need be seen of any parcel (performance.now()): they go one at a time, and waits have an end. */
  get quietUntil(): number {
    const dueAt = Math.min(...Array.from(this.#waiting.values(), (one) => one.dueAt))
    return Math.max(this.#movedAt, Number.isFinite(dueAt) ? dueAt : 0) + STUCK_MS
  }

  /**
   * Saves a parcel; it is safe when this resolves. `delivery` tells later what became of it. Where the disk takes
   * nothing more, the parcel is sent from memory, without its files.
   * @param files the folder of its artifacts; it is moved away from there.
   */
  async put(outgoing: DeliveryRecord, files?: string): Promise<{ delivery: Promise<Delivery> }> {
    const name = `${encodeURIComponent(outgoing.jobId)}.${outgoing.attempt}.json`
    const file = path.join(this.folder, name)
    const kept = { ...outgoing, artifacts: await this.#keepFiles(outgoing, file, files) }
    await writeDurably(file, writeDelivery(kept)).catch((error: unknown) =>
      this.#options.onDelayed(kept, error, 0),
    )
    const delivery = this.#add(kept, file)
    this.#wake()
    return { delivery }
  }

  /** The coordinator has been heard of again: try now what was waiting, unless it said how long to wait. */
  nudge(): void {
    for (const one of this.#waiting.values()) one.dueAt = one.notBefore
    this.#wake()
  }

  /** Resolves when everything is delivered, or after `timeoutMs`. Gives the number of parcels that are left. */
  async flush(timeoutMs: number): Promise<number> {
    if (this.#waiting.size === 0) return 0
    this.nudge()
    const timer = new AbortController()
    const empty = new Promise<void>((resolve) => this.#emptied.push(resolve))
    const timeUp = delay(timeoutMs, { signal: timer.signal }).catch(() => {})
    await Promise.race([empty, timeUp])
    timer.abort()
    return this.#waiting.size
  }

  /** Stops delivering; what is left stays on disk. */
  async close(): Promise<void> {
    this.#closed.abort(new AppError('cancelled', 'The agent stops.'))
    this.#wake()
    await this.#loop
    for (const one of this.#waiting.values()) one.settle('kept')
  }

  #add(outgoing: DeliveryRecord, file: string): Promise<Delivery> {
    return new Promise((settle) => {
      this.#waiting.set(file, { outgoing, file, failures: 0, dueAt: 0, notBefore: 0, settle })
    })
  }

  /** Moves a parcel's files beside it; the names of those that are kept. */
  async #keepFiles(
    outgoing: DeliveryRecord,
    file: string,
    files: string | undefined,
  ): Promise<string[]> {
    if (files === undefined || outgoing.artifacts.length === 0) return []
    try {
      await moveFolder(files, filesOf(file))
      return outgoing.artifacts
    } catch (error) {
      this.#options.onFilesLost(outgoing, error)
      return []
    }
  }

  /** Files whose parcel was never saved, or is delivered. */
  async #removeOrphans(names: readonly string[]): Promise<void> {
    const kept = new Set([...this.#waiting.keys()].map(filesOf))
    for (const name of names) {
      const folder = path.join(this.folder, name)
      if (isFiles(name) && !kept.has(folder)) {
        await rm(folder, { recursive: true, force: true })
      }
    }
  }

  async #load(name: string): Promise<void> {
    const file = path.join(this.folder, name)
    try {
      void this.#add(readDelivery(await readFile(file, 'utf8')), file)
    } catch (error) {
      this.#options.onRefused(null, await this.#setAside(file), error)
    }
  }

  async #deliverAll(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      const next = [...this.#waiting.values()].reduce<Waiting | null>(
        (first, one) => (first === null || one.dueAt < first.dueAt ? one : first),
        null,
      )
      const waitMs = next === null ? Infinity : next.dueAt - performance.now()
      if (next === null || waitMs > 0) await this.#sleep(waitMs)
      else await this.#deliverOne(next)
    }
  }

  async #deliverOne(one: Waiting): Promise<void> {
    const { signal } = this.#closed
    try {
      const onSent = (): void => void (this.#movedAt = performance.now())
      onSent()
      await this.#options.deliver(one.outgoing, filesOf(one.file), signal, onSent)
      onSent()
      await rm(one.file, { force: true })
      await rm(filesOf(one.file), { recursive: true, force: true })
      this.#options.onDelivered?.(one.outgoing)
      this.#done(one, 'delivered')
    } catch (error) {
      if (signal.aborted) return
      if (isDefinitive(error)) await this.#refuse(one, error)
      else this.#delay(one, error)
    }
  }

  async #refuse(one: Waiting, error: unknown): Promise<void> {
    try {
      this.#options.onRefused(one.outgoing, await this.#setAside(one.file), error)
      this.refused += 1
      this.#done(one, 'refused')
    } catch (failure) {
      this.#delay(one, failure)
    }
  }

  #delay(one: Waiting, error: unknown): void {
    const { retryMinMs = 1_000, retryMaxMs = 60_000 } = this.#options
    one.failures += 1
    const asked = error instanceof AppError ? (error.retryAfterSeconds ?? 0) * 1_000 : 0
    const wait = backoffMs(one.failures, retryMinMs, retryMaxMs, Math.random())
    const now = performance.now()
    one.notBefore = now + asked
    one.dueAt = now + Math.max(asked, wait)
    this.#options.onDelayed(one.outgoing, error, one.failures)
  }

  #done(one: Waiting, delivery: Delivery): void {
    this.#waiting.delete(one.file)
    one.settle(delivery)
    if (this.#waiting.size === 0) for (const tell of this.#emptied.splice(0)) tell()
  }

  async #sleep(ms: number): Promise<void> {
    const timer = new AbortController()
    const woken = new Promise<void>((resolve) => (this.#wake = resolve))
    const timeUp = ms === Infinity ? woken : delay(ms, { signal: timer.signal }).catch(() => {})
    await Promise.race([woken, timeUp])
    timer.abort()
  }

  async #setAside(file: string): Promise<string> {
    const target = path.join(this.folder, 'refused', path.basename(file))
    await rm(filesOf(file), { recursive: true, force: true })
    await rename(file, target).catch((error: unknown) => {
      // It was only in memory.
      if (!isSystemError(error, 'ENOENT')) throw error
    })
    return target
  }
}
