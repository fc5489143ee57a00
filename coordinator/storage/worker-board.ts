import { readFileSync } from 'node:fs'
import path from 'node:path'
import { z } from 'zod'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { fromWire, toWire, type FromWire } from '../../shared/keys.ts'
import { printable } from '../../shared/printable.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { DIRECTIVES } from '../../shared/wire.ts'
import type { StoredBreaker } from '../job/circuit-breaker.ts'
import { instant, instantOrNull } from '../job/fields.ts'
import type { Worker } from '../leases/worker.ts'
import type { Signals } from './peers.ts'

const storedRow = z.object({
  worker_id: z.string(),
  directive: z.enum(DIRECTIVES),
  last_seen_at: instantOrNull,
  /** By its circuit breaker, for the nth time in a row. */
  set_aside: z
    .object({ until_at: instant, reason: z.string(), times: z.int().min(1) })
    .nullable()
    .default(null),
})
const storedRows = z.array(storedRow)

/** What is decided of a worker: by an operator, or by its failures. */
export type WorkerRow = FromWire<z.output<typeof storedRow>> & {
  /** The circuit breaker's, where other coordinators go by it, too. */
  breaker?: StoredBreaker | null
}

/** What a worker has said of itself, to any of several coordinators. */
export type WorkerReport = Omit<Worker, 'ability' | 'directive'>

/** What coordinators over the same jobs tell each other of workers. */
export interface SharedBoard {
  readonly signals: Signals
  /** What was reported since an instant of the store's, and all that is decided. */
  read(since: number): Promise<{ reports: WorkerReport[]; decided: WorkerRow[]; readAt: number }>
  find(workerId: string): Promise<WorkerReport | null>
  save(reports: readonly WorkerReport[]): Promise<void>
  forget(workerIds: readonly string[]): Promise<void>
  /** Changes what is decided, one coordinator after the other. */
  change(
    workerId: string,
    change: (row: WorkerRow | null) => WorkerRow | null,
  ): Promise<WorkerRow | null>
}

/** What is decided of workers, for the next start. */
export interface WorkerBoard {
  /** Null: there are no other coordinators. */
  readonly shared: SharedBoard | null
  all(): Promise<readonly WorkerRow[]>
  /** Durable once it resolves. @param row null: nothing is decided any more. */
  put(workerId: string, row: WorkerRow | null): Promise<void>
}

/** `workers.json` in the data folder. */
export class FileWorkerBoard implements WorkerBoard {
  readonly shared = null
  readonly #file: string
  readonly #rows: Map<string, WorkerRow>
  readonly #check: () => void
  #next: Promise<void> | null = null
  #last: Promise<void> = Promise.resolve()
  /** The last write failed: the file may say what is no longer decided. */
  #isOutdated = false

  private constructor(file: string, rows: readonly WorkerRow[], check: () => void) {
    this.#file = file
    this.#rows = new Map(rows.map((row) => [row.workerId, row]))
    this.#check = check
  }

  /**
   * @param onError called when the file cannot be read: then nothing is decided.
   * @param check throws when the folder must not be written to.
   */
  static open(
    dataDir: string,
    onError: (message: string) => void,
    check: () => void = () => undefined,
  ): FileWorkerBoard {
    const file = path.join(dataDir, 'workers.json')
    try {
      const rows = fromWire(storedRows.parse(JSON.parse(readFileSync(file, 'utf8'))))
      return new FileWorkerBoard(file, rows, check)
    } catch (error) {
      if (!isSystemError(error, 'ENOENT'))
        onError(
          `${file} cannot be read (${printable(messageOf(error), { most: 200 })}): drain the workers again that are to get no jobs.`,
        )
      return new FileWorkerBoard(file, [], check)
    }
  }

  async all(): Promise<WorkerRow[]> {
    return [...this.#rows.values()]
  }

  async put(workerId: string, row: WorkerRow | null): Promise<void> {
    if (row !== null) this.#rows.set(workerId, row)
    else if (!this.#rows.delete(workerId) && !this.#isOutdated)
      return await (this.#next ?? this.#last)
    await (this.#next ??= this.#writeNext())
  }

  /** After the write that runs now: it holds all that is put until it begins. */
  async #writeNext(): Promise<void> {
    await this.#last.catch(() => undefined)
    this.#next = null
    try {
      this.#check()
      const rows = toWire([...this.#rows.values()])
      this.#last = replaceFile(this.#file, JSON.stringify(rows, null, 2))
      await this.#last
      this.#isOutdated = false
    } catch (error) {
      this.#isOutdated = true
      throw error
    }
  }
}
