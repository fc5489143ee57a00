import { MINUTE } from '../../../shared/duration.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import type { CommandLine } from '../engine.ts'
import { Residents } from '../residents.ts'
import {
  FasterWhisperWorker,
  WORKER_SCRIPT,
  WorkerHangs,
  type AskOptions,
  type LoadRequest,
  type WorkerAnswer,
  type WorkerRequest,
} from './faster-whisper-worker.ts'

/** Requests after which a worker is replaced: what leaks adds up. */
const RECYCLE_AFTER = 200
/** Growth of its memory, as a factor, at which it is replaced: beyond the most that the first requests took. */
const RECYCLE_AT = 1.5
const FIRST_REQUESTS = 10
/** Printing nothing for this multiple of the longest silence in transcriptions is a hang, but not before 5 minutes. */
const PATIENCE = 10
const LEAST_IDLE_MS = 5 * MINUTE
/** A model that is fetched first prints nothing meanwhile. */
const LOAD_IDLE_MS = 60 * MINUTE

type Request = Omit<AskOptions, 'onEvent'>

/** What a worker has loaded, and its environment beside the slot's. */
export interface Load {
  request: LoadRequest
  env: Record<string, string>
}

/** A worker with its model loaded, which is replaced once it is worn. */
class ResidentWorker {
  readonly #worker: FasterWhisperWorker
  #requests = 0
  /** The most memory after one of the first requests, and that after the last one; 0: unknown. */
  #usualBytes = 0
  #lastBytes = 0
  /** The longest silence within a transcription; 0: nothing was measured. */
  #longestMs = 0

  private constructor(worker: FasterWhisperWorker) {
    this.#worker = worker
  }

  static async start(
    worker: FasterWhisperWorker,
    request: LoadRequest,
    signal: AbortSignal,
  ): Promise<ResidentWorker> {
    await worker.ask(request, { signal, idleMs: LOAD_IDLE_MS })
    return new ResidentWorker(worker)
  }

  get isAlive(): boolean {
    const isWorn =
      this.#requests >= RECYCLE_AFTER || this.#lastBytes > this.#usualBytes * RECYCLE_AT
    return this.#worker.isAlive && !isWorn
  }

  async kill(): Promise<void> {
    await this.#worker.kill()
  }

  /** @throws {AppError} as `FasterWhisperWorker.ask`. */
  async ask(request: WorkerRequest, { idleMs, ...options }: Request): Promise<WorkerAnswer> {
    const expectedMs = Math.max(LEAST_IDLE_MS, this.#longestMs * PATIENCE)
    let last = performance.now()
    const answer = await this.#worker.ask(request, {
      ...options,
      idleMs: this.#longestMs === 0 ? idleMs : Math.min(idleMs, expectedMs),
      onEvent: () => {
        if (request.op !== 'transcribe') return
        const now = performance.now()
        this.#longestMs = Math.max(this.#longestMs, now - last)
        last = now
      },
    })
    this.#requests += 1
    this.#lastBytes = answer.bytes ?? 0
    if (this.#requests <= FIRST_REQUESTS) {
      this.#usualBytes = Math.max(this.#usualBytes, this.#lastBytes)
    }
    return answer
  }
}

/** At most one worker per slot, kept loaded between requests. */
export class ResidentWorkers {
  readonly #interpreter: string
  readonly #workers = new Residents<ResidentWorker>()

  constructor(interpreter: string) {
    this.#interpreter = interpreter
  }

  /** Starts and loads what is not. @throws {AppError} as `FasterWhisperWorker.ask`. */
  async prepare(slot: Slot, load: Load, signal: AbortSignal): Promise<void> {
    await this.#at(slot, load, signal)
  }

  /**
   * Asks the slot's worker; one that hangs is replaced and asked once more.
   * @param onBegin called before each try.
   * @throws {AppError} as `FasterWhisperWorker.ask`; `cancelled` when the workers are closed.
   */
  async ask(
    slot: Slot,
    load: Load,
    request: WorkerRequest,
    options: Request & { onBegin?: () => void },
  ): Promise<WorkerAnswer> {
    const signal = AbortSignal.any([options.signal, this.#workers.closing])
    for (let tries = 1; ; tries++) {
      options.onBegin?.()
      const worker = await this.#at(slot, load, signal)
      try {
        return await worker.ask(request, { ...options, signal })
      } catch (error) {
        if (!(error instanceof WorkerHangs) || tries === 2) throw error
      }
    }
  }

  /** What a worker is started with. */
  plan({ env }: Load): CommandLine {
    return { file: this.#interpreter, args: [WORKER_SCRIPT], env }
  }

  async close(): Promise<void> {
    await this.#workers.close()
  }

  async #at(slot: Slot, { request, env }: Load, signal: AbortSignal): Promise<ResidentWorker> {
    const start = async (until: AbortSignal): Promise<ResidentWorker> => {
      const worker = new FasterWhisperWorker(this.#interpreter, { ...env, ...slotEnv(slot) })
      return await ResidentWorker.start(worker, request, until)
    }
    return await this.#workers.at(slot.index, JSON.stringify(request), start, signal)
  }
}
