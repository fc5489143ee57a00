import { randomUUID } from 'node:crypto'
import { readdir, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { makePrivateFolder, PRIVATE_FILE } from '../storage/private-folder.ts'
import { KeyedMutex } from '../keyed-mutex.ts'
import { HEARTBEAT_WORK, type Checkpoint, type ReceivedHeartbeat } from './heartbeat-work.ts'
import { WorkThread } from './work-thread.ts'

/** What is not longer is read at once: that takes a few milliseconds. */
const SMALL_BYTES = 64 * 1024
/** Heartbeats and claims that may wait for the thread; their bodies are bounded by the room for bodies. */
const MOST_WAITING = 1_000

/**
 * How far attempts have come, for those that follow them: `checkpoints/<job id>.json`. Not synced, and no failure is
 * anybody's: a checkpoint that is lost costs only time.
 */
export class Checkpoints {
  readonly #dir: string
  readonly #onError: (message: string, error: unknown) => void
  readonly #turns = new KeyedMutex()
  readonly #thread = new WorkThread({ most: MOST_WAITING })
  /** The newest one of each job that is not yet written: what came before it need not be. */
  readonly #waiting = new Map<string, Checkpoint>()
  readonly #working = new Set<Promise<unknown>>()

  private constructor(dir: string, onError: (message: string, error: unknown) => void) {
    this.#dir = dir
    this.#onError = onError
  }

  static async open(
    dataDir: string,
    onError: (message: string, error: unknown) => void,
  ): Promise<Checkpoints> {
    const dir = path.join(dataDir, 'checkpoints')
    makePrivateFolder(dir)
    for (const name of await readdir(dir)) {
      if (!name.endsWith('.json')) await rm(path.join(dir, name), { force: true })
    }
    return new Checkpoints(dir, onError)
  }

  /** Reads the body of a heartbeat. @throws {AppError} `invalid`, `unavailable`. */
  async receive(bytes: Buffer<ArrayBuffer>): Promise<ReceivedHeartbeat> {
    if (bytes.length <= SMALL_BYTES) return HEARTBEAT_WORK.heartbeat({ bytes })
    return await this.#thread.run('heartbeat', { bytes }, [bytes.buffer])
  }

  /** Takes a job's newest checkpoint and writes it soon. */
  keep(jobId: string, checkpoint: Checkpoint): void {
    const isWritten = this.#waiting.has(jobId)
    this.#waiting.set(jobId, checkpoint)
    if (isWritten) return
    void this.#inTurn(jobId, async () => {
      const newest = this.#waiting.get(jobId)
      this.#waiting.delete(jobId)
      if (newest !== undefined) await this.#write(jobId, newest)
    })
  }

  /** A job's newest checkpoint, or null. One that does not parse is dropped. */
  async read(jobId: string): Promise<Checkpoint | null> {
    return await this.#inTurn(jobId, async () => {
      try {
        const file = this.#file(jobId)
        const { size } = await stat(file)
        if (size <= SMALL_BYTES) return HEARTBEAT_WORK.checkpoint({ file })
        return await this.#thread.run('checkpoint', { file })
      } catch (error) {
        if (isSystemError(error, 'ENOENT')) return null
        this.#onError(`The checkpoint of job ${jobId} cannot be read and is dropped.`, error)
        await rm(this.#file(jobId), { force: true }).catch(() => undefined)
        return null
      }
    })
  }

  /** Forgets a job's checkpoint; how many bytes that freed. */
  async remove(jobId: string): Promise<number> {
    this.#waiting.delete(jobId)
    return await this.#inTurn(jobId, async () => {
      const size = await this.size(jobId)
      await rm(this.#file(jobId), { force: true })
      return size
    })
  }

  /** {@link remove}, for whom a failure is nothing to wait for. */
  forget(jobId: string): void {
    void this.remove(jobId).catch((error: unknown) => {
      this.#onError(`The checkpoint of job ${jobId} cannot be removed.`, error)
    })
  }

  async size(jobId: string): Promise<number> {
    return (await stat(this.#file(jobId)).catch(() => null))?.size ?? 0
  }

  /** The jobs that a file is here of. */
  async ids(): Promise<string[]> {
    return (await readdir(this.#dir)).map((name) => path.basename(name, '.json'))
  }

  /** Resolves when nothing is being written any more. */
  async settled(): Promise<void> {
    while (this.#working.size > 0) await Promise.allSettled(this.#working)
  }

  /** {@link settled}, and no more after that. */
  async close(): Promise<void> {
    await this.settled()
    await this.#thread.close()
  }

  async #write(jobId: string, checkpoint: Checkpoint): Promise<void> {
    const temporary = path.join(this.#dir, `${jobId}.${randomUUID()}.tmp`)
    try {
      await writeFile(temporary, checkpoint, { flag: 'wx', mode: PRIVATE_FILE })
      await rename(temporary, this.#file(jobId))
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      this.#onError(`The checkpoint of job ${jobId} cannot be written.`, error)
    }
  }

  async #inTurn<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    const mine = this.#turns.take(jobId, work)
    this.#working.add(mine)
    try {
      return await mine
    } finally {
      this.#working.delete(mine)
    }
  }

  #file(jobId: string): string {
    return path.join(this.#dir, `${jobId}.json`)
  }
}
