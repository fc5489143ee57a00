import { SECOND } from '../../shared/duration.ts'
import { startInterval } from '../../shared/timers.ts'
import { CircuitBreakers } from '../job/circuit-breaker.ts'
import type { News } from '../storage/peers.ts'
import type { SharedBoard, WorkerReport, WorkerRow } from '../storage/worker-board.ts'
import { reportOf, type Worker } from './worker.ts'
import type { Workers } from './workers.ts'

/** How often the reports of other coordinators are read. */
const READ_MS = 2 * SECOND
/** How long a report may wait that says nothing new but that the worker is there. */
const QUIET_MS = 15 * SECOND
const SAVE_MS = SECOND
/** A report that was being written while others were read. */
const OVERLAP_MS = 5 * SECOND

/** Tells the other coordinators what workers report here and what is decided of them, and takes over what they know. */
export class SharedWorkers {
  readonly #workers: Workers
  readonly #board: SharedBoard
  readonly #now: () => number
  /** Workers with a report to save. */
  readonly #changed = new Set<string>()
  /** What was saved last of a worker, and when. */
  readonly #saved = new Map<string, { text: string; at: number }>()
  readonly #met = new WeakSet<Worker>()
  #decided = new Set<string>()
  /** Decisions being written, and those written since the last reading began: it may not show them. */
  readonly #writing = new Map<string, number>()
  #written = new Set<string>()
  readonly #timers: NodeJS.Timeout[] = []
  #since = -Infinity
  #isMerging = false
  #reading: Promise<void> | null = null
  #saving: Promise<void> | null = null
  #soon: NodeJS.Immediate | null = null

  constructor(workers: Workers, board: SharedBoard, now: () => number) {
    this.#workers = workers
    this.#board = board
    this.#now = now
  }

  start(): void {
    this.#workers.onUpdate((workerId) => this.#noteChange(workerId))
    this.#board.signals.on((news) => this.#heard(news))
    this.#timers.push(
      startInterval(() => void this.read().catch(() => undefined), READ_MS).unref(),
      startInterval(() => void this.save().catch(() => undefined), SAVE_MS).unref(),
    )
    void this.read().catch(() => undefined)
  }

  /** Saves what is left. */
  async close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer)
    if (this.#soon !== null) clearImmediate(this.#soon)
    await this.#reading?.catch(() => undefined)
    await this.save().catch(() => undefined)
  }

  /** Learns what others know of a worker that has reported nothing here yet; once. */
  async meet(workerId: string): Promise<void> {
    const worker = this.#workers.find(workerId)
    if (worker === undefined || worker.reportedAt !== null || this.#met.has(worker)) return
    const report = await this.#board.find(workerId)
    this.#met.add(worker)
    if (report !== null) this.#merge(() => this.#take(report))
  }

  async put(workerId: string, row: WorkerRow | null): Promise<void> {
    if (row === null && !this.#decided.has(workerId)) return
    await this.#write(
      workerId,
      this.#board.change(workerId, () => row),
    )
  }

  /** Notes what a worker did, with what it did at other coordinators. */
  async note(workerId: string, note: (breakers: CircuitBreakers) => unknown): Promise<void> {
    const now = this.#now()
    const changing = this.#board.change(workerId, (row) => {
      const breakers = new CircuitBreakers()
      breakers.take(workerId, row?.breaker ?? null)
      note(breakers)
      const breaker = breakers.stored(workerId)
      const { directive = 'run', lastSeenAt = null } = row ?? {}
      if (directive === 'run' && breaker === null) return null
      return { workerId, directive, lastSeenAt, setAside: breakers.opened(workerId, now), breaker }
    })
    const row = await this.#write(workerId, changing)
    this.#merge(() => this.#workers.decide(workerId, row))
  }

  /** Takes over what others know. */
  async read(): Promise<void> {
    await (this.#reading ??= this.#read().finally(() => (this.#reading = null)))
  }

  /** Saves what has changed here. */
  async save(): Promise<void> {
    await (this.#saving ??= this.#save().finally(() => (this.#saving = null)))
  }

  #noteChange(workerId: string): void {
    if (this.#isMerging) return
    this.#changed.add(workerId)
    const worker = this.#workers.find(workerId)
    const isNew = worker === undefined || this.#saved.get(workerId)?.text !== textOf(worker)
    if (isNew) this.#soon ??= setImmediate(() => void this.#saveSoon())
  }

  async #saveSoon(): Promise<void> {
    this.#soon = null
    await this.save().catch(() => undefined)
  }

  #heard(news: News): void {
    if (news.about === 'all') this.#since = -Infinity
    if (news.about === 'worker' || news.about === 'all') void this.read().catch(() => undefined)
    if (news.about === 'worker') void this.#checkLeft(news.workerId).catch(() => undefined)
  }

  /** Removes a worker that has said goodbye to another coordinator. */
  async #checkLeft(workerId: string): Promise<void> {
    if (this.#workers.find(workerId) === undefined || this.#changed.has(workerId)) return
    const isGone = (await this.#board.find(workerId)) === null && !this.#changed.has(workerId)
    if (isGone && this.#saved.delete(workerId)) this.#merge(() => this.#workers.left(workerId))
  }

  async #write(workerId: string, writing: Promise<WorkerRow | null>): Promise<WorkerRow | null> {
    this.#written.add(workerId)
    this.#decided.add(workerId)
    this.#writing.set(workerId, (this.#writing.get(workerId) ?? 0) + 1)
    try {
      const done = await writing
      this.#board.signals.emit({ about: 'worker', workerId })
      return done
    } finally {
      const left = this.#writing.get(workerId)! - 1
      if (left === 0) this.#writing.delete(workerId)
      else this.#writing.set(workerId, left)
    }
  }

  async #read(): Promise<void> {
    this.#written = new Set(this.#writing.keys())
    const { reports, decided, readAt } = await this.#board.read(this.#since)
    this.#since = readAt - OVERLAP_MS
    this.#merge(() => {
      for (const report of reports) this.#take(report)
      const gone = this.#decided
      const ids = decided.map(({ workerId }) => workerId)
      this.#decided = new Set([...ids, ...this.#written])
      for (const row of decided)
        if (!this.#written.has(row.workerId)) this.#workers.decide(row.workerId, row)
      for (const workerId of gone)
        if (!this.#decided.has(workerId) && !this.#written.has(workerId))
          this.#workers.decide(workerId, null)
    })
  }

  #take(report: WorkerReport): void {
    this.#workers.merge(report)
    const worker = this.#workers.find(report.workerId)
    if (worker !== undefined && worker.reportedAt === report.reportedAt)
      this.#saved.set(report.workerId, { text: textOf(worker), at: this.#now() })
  }

  async #save(): Promise<void> {
    const now = this.#now()
    const due = [...this.#changed].filter((workerId) => this.#isDue(workerId, now))
    const workers = due.flatMap((workerId) => this.#workers.find(workerId) ?? [])
    const gone = due.filter((workerId) => this.#workers.find(workerId) === undefined)
    for (const workerId of due) this.#changed.delete(workerId)
    const texts = new Map(workers.map((one) => [one.workerId, textOf(one)]))
    try {
      if (gone.length > 0) await this.#board.forget(gone)
      if (workers.length > 0) await this.#board.save(workers.map(reportOf))
    } catch (error) {
      for (const workerId of due) this.#changed.add(workerId)
      throw error
    }
    for (const workerId of due) {
      const text = texts.get(workerId)
      const isNews = this.#saved.get(workerId)?.text !== text
      if (text === undefined) this.#saved.delete(workerId)
      else this.#saved.set(workerId, { text, at: now })
      if (isNews) this.#board.signals.emit({ about: 'worker', workerId })
    }
  }

  /** Whether a report is to be saved now. */
  #isDue(workerId: string, now: number): boolean {
    const worker = this.#workers.find(workerId)
    if (worker === undefined) return true
    // What others know of it comes first.
    if (worker.reportedAt === null && !this.#met.has(worker)) return false
    const saved = this.#saved.get(workerId)
    return saved?.text !== textOf(worker) || now >= saved.at + QUIET_MS
  }

  /** What is taken over is not told again. */
  #merge(work: () => void): void {
    this.#isMerging = true
    try {
      work()
    } finally {
      this.#isMerging = false
    }
  }
}

/** What others have to know soon. */
function textOf({ ability, state, slots, contentTypes, paused }: Worker): string {
  return JSON.stringify([ability.key, state, slots, contentTypes, paused])
}
