import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { askedMs, retryDelayMs } from '../../shared/retry.ts'
import { waitFor } from '../../shared/timers.ts'
import { isDefinitive } from './delivery.ts'
import { moveFolder } from './move-folder.ts'
import {
  filesOf,
  isFiles,
  readDelivery,
  writeDelivery,
  type DeliveryRecord,
} from './delivery-record.ts'

/** How a delivery ended: `kept` is still on disk, for the next start. */
export type Outcome = 'delivered' | 'refused' | 'kept'

export interface OutboxOptions {
  /** Sends one delivery, once, its files from `folder` first; throws the coordinator's refusal. `onSent`: some bytes left. */
  deliver: (
    delivery: DeliveryRecord,
    folder: string,
    signal: AbortSignal,
    onSent: () => void,
  ) => Promise<void>
  onDelivered?: (delivery: DeliveryRecord) => void
  /** Refused for good, or (null) unreadable; it is kept in `file`. */
  onRefused: (delivery: DeliveryRecord | null, file: string, error: unknown) => void
  /** The files could not be saved: the result is sent without them. */
  onFilesLost: (delivery: DeliveryRecord, error: unknown) => void
  /** It could not be sent, or (no failures yet) be saved; another try follows. */
  onDelayed: (delivery: DeliveryRecord, error: unknown, failures: number) => void
  retryMinMs?: number
  retryMaxMs?: number
}

/** A request without a byte sent for longer is stuck. */
const STUCK_MS = 60_000

interface Waiting {
  delivery: DeliveryRecord
  file: string
  failures: number
  /** On the clock of performance.now(). */
  dueAt: number
  /** The coordinator asked not to be sent it before. */
  notBefore: number
  settle: (outcome: Outcome) => void
}

/**
 * Keeps results on disk until the coordinator has them: each is saved and synced before it is sent, then sent in the
 * background, with backoff and across restarts.
 */
export class Outbox {
  readonly folder: string
  refused = 0
  readonly #options: OutboxOptions
  readonly #waiting = new Map<string, Waiting>()
  readonly #closed = new AbortController()
  #sleeping = new AbortController()
  /** When a byte was last sent, on the clock of performance.now(). */
  #movedAt = 0
  #emptied: AbortController[] = []
  #loop: Promise<void> = Promise.resolve()

  private constructor(folder: string, options: OutboxOptions) {
    this.folder = folder
    this.#options = options
  }

  /** Opens a folder and starts to deliver what an earlier run left there. */
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

  /** Deliveries that the coordinator does not have yet. */
  get size(): number {
    return this.#waiting.size
  }

  /** Until when no delivery need make progress (performance.now()): they are sent one at a time, with waits between. */
  get quietUntil(): number {
    const dueAt = Math.min(...Array.from(this.#waiting.values(), (one) => one.dueAt))
    return Math.max(this.#movedAt, Number.isFinite(dueAt) ? dueAt : 0) + STUCK_MS
  }

  /**
   * Saves a delivery; it is safe when this resolves. Where the disk is full, it is sent from memory, without its files.
   * @param files the folder of its artifacts, which is moved.
   */
  async put(delivery: DeliveryRecord, files?: string): Promise<{ outcome: Promise<Outcome> }> {
    const name = `${encodeURIComponent(delivery.jobId)}.${delivery.attempt}.json`
    const file = path.join(this.folder, name)
    const kept = { ...delivery, artifacts: await this.#keepFiles(delivery, file, files) }
    await replaceFile(file, writeDelivery(kept)).catch((error: unknown) =>
      this.#options.onDelayed(kept, error, 0),
    )
    const outcome = this.#add(kept, file)
    this.#sleeping.abort()
    return { outcome }
  }

  /** To be called when the coordinator answers again: tries all that waits at once, unless a wait was asked for. */
  nudge(): void {
    for (const one of this.#waiting.values()) one.dueAt = one.notBefore
    this.#sleeping.abort()
  }

  /** Waits until everything is delivered, or for `timeoutMs`. Returns the number of deliveries that are left. */
  async flush(timeoutMs: number): Promise<number> {
    if (this.#waiting.size === 0) return 0
    this.nudge()
    const empty = new AbortController()
    this.#emptied.push(empty)
    await waitFor(timeoutMs, empty.signal)
    return this.#waiting.size
  }

  /** Stops delivering; what is left stays on disk. */
  async close(): Promise<void> {
    this.#closed.abort(new AppError('cancelled', 'The agent stops.'))
    this.#sleeping.abort()
    await this.#loop
    for (const one of this.#waiting.values()) one.settle('kept')
  }

  #add(delivery: DeliveryRecord, file: string): Promise<Outcome> {
    return new Promise((settle) => {
      this.#waiting.set(file, { delivery, file, failures: 0, dueAt: 0, notBefore: 0, settle })
    })
  }

  /** Moves a delivery's files beside it. Returns their names. */
  async #keepFiles(
    delivery: DeliveryRecord,
    file: string,
    files: string | undefined,
  ): Promise<string[]> {
    if (files === undefined || delivery.artifacts.length === 0) return []
    try {
      await moveFolder(files, filesOf(file))
      return delivery.artifacts
    } catch (error) {
      this.#options.onFilesLost(delivery, error)
      return []
    }
  }

  /** Removes the files of deliveries that were never saved, or are done. */
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
      this.#options.onRefused(null, await this.#quarantine(file), error)
    }
  }

  async #deliverAll(): Promise<void> {
    while (!this.#closed.signal.aborted) {
      const next = [...this.#waiting.values()].reduce<Waiting | null>(
        (first, one) => (first === null || one.dueAt < first.dueAt ? one : first),
        null,
      )
      const waitMs = next === null ? Infinity : next.dueAt - performance.now()
      if (next !== null && waitMs <= 0) await this.#deliverOne(next)
      else {
        this.#sleeping = new AbortController()
        await waitFor(waitMs, this.#sleeping.signal)
      }
    }
  }

  async #deliverOne(one: Waiting): Promise<void> {
    const { signal } = this.#closed
    try {
      const onSent = (): void => void (this.#movedAt = performance.now())
      onSent()
      await this.#options.deliver(one.delivery, filesOf(one.file), signal, onSent)
      onSent()
      await rm(one.file, { force: true })
      await rm(filesOf(one.file), { recursive: true, force: true })
      this.#options.onDelivered?.(one.delivery)
      this.#done(one, 'delivered')
    } catch (error) {
      if (signal.aborted) return
      if (isDefinitive(error)) await this.#refuse(one, error)
      else this.#delay(one, error)
    }
  }

  async #refuse(one: Waiting, error: unknown): Promise<void> {
    try {
      this.#options.onRefused(one.delivery, await this.#quarantine(one.file), error)
      this.refused += 1
      this.#done(one, 'refused')
    } catch (failure) {
      this.#delay(one, failure)
    }
  }

  #delay(one: Waiting, error: unknown): void {
    const { retryMinMs: minMs = 1_000, retryMaxMs: maxMs = 60_000 } = this.#options
    one.failures += 1
    const now = performance.now()
    one.notBefore = now + askedMs(error)
    one.dueAt = now + retryDelayMs(error, one.failures, { minMs, maxMs })
    this.#options.onDelayed(one.delivery, error, one.failures)
  }

  #done(one: Waiting, outcome: Outcome): void {
    this.#waiting.delete(one.file)
    one.settle(outcome)
    if (this.#waiting.size === 0) for (const one of this.#emptied.splice(0)) one.abort()
  }

  async #quarantine(file: string): Promise<string> {
    const target = path.join(this.folder, 'refused', path.basename(file))
    await rm(filesOf(file), { recursive: true, force: true })
    await rename(file, target).catch((error: unknown) => {
      // It was only in memory.
      if (!isSystemError(error, 'ENOENT')) throw error
    })
    return target
  }
}
