import { existsSync, readdirSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isDiskFull, messageOf } from '../../shared/errors.ts'
import { sync } from '../../shared/replace-file.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { makePrivateFolder } from '../storage/private-folder.ts'
import { isRefused } from '../storage/job-table.ts'
import { addToDay, readDay } from './day-file.ts'
import { addTo, Days, type ByToken, type Day } from './days.ts'
import { fileOf, numberIn, RemovedLog, removalsIn, type Removal } from './removed-log.ts'

/** A log that is longer is added to the files of its days. */
const LOG_BYTES = 1024 * 1024

export interface RemovedJobsOptions {
  dataDir: string
  onError: (message: string, error: unknown) => void
  logBytes?: number
}

/** A removal that is on disk and may still fail. */
export interface Written {
  /** The job is gone. */
  confirm: () => void
  /** The job stays. */
  refuse: () => void
}

interface Waiting {
  removal: Removal
  resolve: (log: RemovedLog) => void
  reject: (error: unknown) => void
}

/**
 * What removed jobs have used, in `usage/` of the data folder: a line in a log before the removal, later one file per day.
 * A crash in between is decided by whether the job is still there, so each job counts once.
 */
export class RemovedJobs {
  readonly #options: RemovedJobsOptions
  readonly #folder: string
  readonly #turns = new KeyedMutex()
  #waiting: Waiting[] = []
  #lastNumber = 0
  #log: RemovedLog | null = null
  /** Earlier ones that are not in the files of days yet. */
  #older: RemovedLog[] = []

  private constructor(options: RemovedJobsOptions) {
    this.#options = options
    this.#folder = path.join(options.dataDir, 'usage')
  }

  /**
   * Adds the logs of an earlier run to the files of days.
   * @param isThere whether a job has not been removed after all.
   * @throws {AppError} `unavailable` for a damaged file of a day.
   */
  static async open(
    options: RemovedJobsOptions,
    isThere: (removal: Removal) => boolean,
  ): Promise<RemovedJobs> {
    const removed = new RemovedJobs(options)
    await removed.#recover(isThere)
    return removed
  }

  /** Writes down a removal; durable. @throws {AppError} `no_space`, `unavailable`. */
  async write(removal: Removal): Promise<Written> {
    const log = await new Promise<RemovedLog>((resolve, reject) => {
      this.#waiting.push({ removal, resolve, reject })
      // One write and one sync for all that wait.
      if (this.#waiting.length === 1) void this.#turns.take('log', async () => await this.#append())
    })
    const decide = (): void => {
      log.undecided -= 1
      this.#addOlder()
    }
    return {
      confirm: () => {
        log.gone.add(removal.day, removal.tokenId, removal.counts)
        decide()
      },
      refuse: decide,
    }
  }

  /** The days with removed jobs. */
  days(): Day[] {
    return [...this.#written(), ...this.#logs().flatMap(({ gone }) => gone.keys())]
  }

  /**
   * What the removed jobs of a day have used.
   * @param use is called while nothing changes, and with a copy.
   * @throws {AppError} `unavailable`
   */
  async on<T>(day: Day, use: (tokens: ByToken) => T): Promise<T> {
    return await this.#turns.take(day, async () => {
      const { tokens } = await readDay(this.#folder, day)
      for (const { gone } of this.#logs())
        for (const [token, counts] of gone.on(day)) addTo(tokens, token, counts)
      return use(tokens)
    })
  }

  async close(): Promise<void> {
    for (const turn of ['log', 'older']) await this.#turns.take(turn, async () => undefined)
    for (const log of this.#logs()) await log.close()
  }

  /** The days with a file. */
  #written(): Day[] {
    const files = existsSync(this.#folder) ? readdirSync(this.#folder) : []
    return files.flatMap((name) => /^(\d{4}-\d\d-\d\d)\.json$/.exec(name)?.[1] ?? [])
  }

  #logs(): RemovedLog[] {
    return [...this.#older, ...(this.#log === null ? [] : [this.#log])]
  }

  async #recover(isThere: (removal: Removal) => boolean): Promise<void> {
    if (!existsSync(this.#folder)) return
    const numbers = readdirSync(this.#folder)
      .map(numberIn)
      .filter((one) => one !== null)
    numbers.sort((a, b) => a - b)
    this.#lastNumber = Math.max(0, ...numbers)
    // A backup may be without the logs. A damaged file is refused when it is needed.
    for (const day of this.#written()) {
      const { through } = await readDay(this.#folder, day).catch(() => ({ through: 0 }))
      this.#lastNumber = Math.max(this.#lastNumber, through)
    }
    // Each job by its last removal: one that failed may have been repeated.
    const last = new Map<string, { number: number; removal: Removal }>()
    for (const number of numbers)
      for (const removal of await removalsIn(this.#folder, number))
        last.set(`${removal.jobId} ${removal.created}`, { number, removal })
    const logs = new Map(numbers.map((number) => [number, new Days()]))
    for (const { number, removal } of last.values())
      if (!isThere(removal)) logs.get(number)!.add(removal.day, removal.tokenId, removal.counts)
    for (const [number, gone] of logs)
      for (const day of gone.keys()) await addToDay(this.#folder, day, number, gone.on(day))
    // The newest number must stay known: files of days name the log that they hold.
    if (numbers.length > 0) await this.#begin()
    for (const number of numbers) await rm(fileOf(this.#folder, number), { force: true })
  }

  async #append(): Promise<void> {
    // What comes by the time that the disk is free is written together.
    await Promise.resolve()
    const waiting = this.#waiting.splice(0)
    try {
      const log = await this.#roomy()
      await log.append(waiting.map(({ removal }) => removal))
      for (const { resolve } of waiting) resolve(log)
    } catch (error) {
      const reason = isDiskFull(error)
        ? fullDisk(error)
        : isRefused(error)
          ? error
          : this.#failed(error)
      for (const { reject } of waiting) reject(reason)
    }
  }

  async #roomy(): Promise<RemovedLog> {
    const { logBytes = LOG_BYTES } = this.#options
    if (this.#log === null || this.#log.bytes >= logBytes) await this.#begin()
    return this.#log!
  }

  async #begin(): Promise<void> {
    makePrivateFolder(this.#folder)
    const log = await RemovedLog.begin(this.#folder, this.#lastNumber + 1)
    await sync(this.#folder)
    this.#lastNumber = log.number
    if (this.#log !== null) this.#older.push(this.#log)
    this.#log = log
    this.#addOlder()
  }

  /** After a failed write the content of the log is unknown: the next one goes to another. */
  #failed(error: unknown): AppError {
    if (this.#log !== null) this.#older.push(this.#log)
    this.#log = null
    const message = `The usage of removed jobs cannot be written (${messageOf(error)}): no job is removed until the disk is mended.`
    return new AppError('unavailable', message, { cause: error })
  }

  /** Adds older logs to the files of days once all their removals are decided: in order, by which those files know them. */
  #addOlder(): void {
    if (this.#older[0]?.undecided !== 0) return
    void this.#turns.take('older', async () => {
      try {
        while (this.#older[0]?.undecided === 0) await this.#addAll(this.#older[0])
      } catch (error) {
        const message = 'the usage of removed jobs cannot be added to its day; retrying later'
        this.#options.onError(message, error)
      }
    })
  }

  async #addAll(log: RemovedLog): Promise<void> {
    for (const day of log.gone.keys())
      await this.#turns.take(day, async () => {
        await addToDay(this.#folder, day, log.number, log.gone.on(day))
        log.gone.delete(day)
      })
    this.#older.shift()
    await log.close()
    await rm(log.file, { force: true })
  }
}

function fullDisk(cause: unknown): AppError {
  const message = 'The coordinator has no disk space left for the usage of removed jobs: free some.'
  return new AppError('no_space', message, { cause })
}
