import { rm } from 'node:fs/promises'
import { isSystemError } from '../../shared/errors.ts'
import type { RenderOptions } from '../../shared/forms.ts'
import type { Job } from '../job/job.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { HEARTBEAT_WORK, type Checkpoint, type ReceivedHeartbeat } from './heartbeat-work.ts'
import {
  partialFactsOf,
  partialForm,
  type PartialForm,
  type PartialText,
} from './partial-result.ts'
import { jsonFolder, JsonFiles } from './json-files.ts'
import { OWN_FOLDER } from './leftovers.ts'
import { WorkThread } from './work-thread.ts'

/** Up to here a checkpoint is parsed on the main thread, in a few milliseconds. */
const SMALL_BYTES = 64 * 1024
/** Requests that may wait for the thread. */
const MAX_WAITING = 1_000
const MAX_READING = 64

type OnError = (message: string, error: unknown) => void

/** The progress of attempts: `checkpoints/<job id>.json`. Not synced: a lost checkpoint only costs time. */
export class Checkpoints extends JsonFiles {
  readonly #onError: OnError
  readonly #locks = new KeyedMutex()
  readonly #thread = new WorkThread({ maxWaiting: MAX_WAITING })
  /** For readers of unfinished text, for whom no heartbeat waits. */
  readonly #reading = new WorkThread({ maxWaiting: MAX_READING })
  /** The newest unwritten checkpoint of each job. */
  readonly #waiting = new Map<string, Checkpoint>()
  /** The jobs that may have a file: most jobs end without. Null: others keep some, too. */
  readonly #stored: Set<string> | null
  readonly #working = new Set<Promise<unknown>>()
  readonly #listeners: ((jobId: string) => void)[] = []

  private constructor(dir: string, stored: Set<string> | null, onError: OnError) {
    super(dir)
    this.#stored = stored
    this.#onError = onError
  }

  static async open(dataDir: string, onError: OnError, use = OWN_FOLDER): Promise<Checkpoints> {
    const dir = await jsonFolder(dataDir, 'checkpoints', use)
    const stored = use.isShared ? null : new Set(await new JsonFiles(dir).ids())
    return new Checkpoints(dir, stored, onError)
  }

  /** Parses the body of a heartbeat. @throws {AppError} `invalid`, `unavailable`. */
  async receive(bytes: Buffer<ArrayBuffer>): Promise<ReceivedHeartbeat> {
    if (bytes.length <= SMALL_BYTES) return HEARTBEAT_WORK.heartbeat({ bytes })
    return await this.#thread.run('heartbeat', { bytes }, [bytes.buffer])
  }

  /** Calls back with each job that has a new checkpoint. */
  onKept(listener: (jobId: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Writes a job's newest checkpoint in the background. */
  keep(jobId: string, checkpoint: Checkpoint): void {
    for (const listener of this.#listeners) listener(jobId)
    const isScheduled = this.#waiting.has(jobId)
    this.#waiting.set(jobId, checkpoint)
    this.#stored?.add(jobId)
    if (isScheduled) return
    void this.#locked(jobId, async () => {
      const newest = this.#waiting.get(jobId)
      this.#waiting.delete(jobId)
      if (newest === undefined) return
      await replaceFile(this.path(jobId), newest, { isDurable: false }).catch((error: unknown) => {
        this.#onError(`The checkpoint of job ${jobId} cannot be written.`, error)
      })
    })
  }

  /** A job's newest checkpoint, or null. A damaged one is removed. */
  async read(jobId: string): Promise<Checkpoint | null> {
    return await this.#locked(jobId, async () => {
      try {
        return await this.#read(
          jobId,
          (file) => HEARTBEAT_WORK.checkpoint({ file }),
          async (file) => await this.#thread.run('checkpoint', { file }),
        )
      } catch (error) {
        this.#onError(`The checkpoint of job ${jobId} cannot be read and is dropped.`, error)
        await rm(this.path(jobId), { force: true }).catch(() => undefined)
        return null
      }
    })
  }

  /** What is recognised of a job so far, in a form. @throws {AppError} `unavailable` */
  async partialForm(
    job: Job,
    form: PartialForm['form'],
    options: RenderOptions = {},
  ): Promise<ReturnType<typeof partialForm>> {
    const asked = { facts: partialFactsOf(job), form, options }
    const found = await this.#locked(
      job.jobId,
      async () =>
        await this.#read(
          job.jobId,
          (file) => HEARTBEAT_WORK.partialForm({ file, ...asked }),
          async (file) => await this.#reading.run('partialForm', { file, ...asked }),
        ),
    )
    return found ?? partialForm(null, asked)
  }

  /** The same as segments; null where there are none that can be read now. */
  async partialText(job: Job): Promise<PartialText | null> {
    const { jobId } = job
    const facts = partialFactsOf(job)
    return await this.#locked(jobId, async () => {
      try {
        return await this.#read(
          jobId,
          (file) => HEARTBEAT_WORK.partialText({ file, facts }),
          async (file) => await this.#reading.run('partialText', { file, facts }),
        )
      } catch (error) {
        this.#onError(`The text of job ${jobId} so far cannot be read.`, error)
        return null
      }
    })
  }

  /** Null: there is none. */
  async #read<T>(
    jobId: string,
    small: (file: string) => T,
    large: (file: string) => Promise<T>,
  ): Promise<T | null> {
    const file = this.path(jobId)
    try {
      return (await this.size(jobId)) <= SMALL_BYTES ? small(file) : await large(file)
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    }
  }

  override async remove(jobId: string): Promise<number> {
    this.#waiting.delete(jobId)
    return await this.#locked(jobId, async () => {
      const freed = await super.remove(jobId)
      if (!this.#waiting.has(jobId)) this.#stored?.delete(jobId)
      return freed
    })
  }

  /** Removes in the background. */
  forget(jobId: string): void {
    if (this.#stored?.has(jobId) === false) return
    void this.remove(jobId).catch((error: unknown) => {
      this.#onError(`The checkpoint of job ${jobId} cannot be removed.`, error)
    })
  }

  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working)
  }

  async close(): Promise<void> {
    await this.settled()
    await Promise.all([this.#thread.close(), this.#reading.close()])
  }

  async #locked<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    const mine = this.#locks.take(jobId, work)
    this.#working.add(mine)
    try {
      return await mine
    } finally {
      this.#working.delete(mine)
    }
  }
}
