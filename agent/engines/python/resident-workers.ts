import { MINUTE } from '../../../shared/duration.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import type { CommandLine } from '../engine.ts'
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

interface Resident {
  worker: FasterWhisperWorker
  /** What it has loaded, as JSON. */
  key: string
  requests: number
  /** The most memory after one of the first requests, and that after the last one; 0: unknown. */
  usualBytes: number
  lastBytes: number
  /** The longest silence within a transcription; 0: nothing was measured. */
  longestMs: number
}

/** At most one worker per slot, kept loaded between requests. */
export class ResidentWorkers {
  readonly #interpreter: string
  readonly #slots = new Map<number, Resident>()

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
   * @throws {AppError} as `FasterWhisperWorker.ask`.
   */
  async ask(
    slot: Slot,
    load: Load,
    request: WorkerRequest,
    options: Request & { onBegin?: () => void },
  ): Promise<WorkerAnswer> {
    for (let tries = 1; ; tries++) {
      options.onBegin?.()
      const resident = await this.#at(slot, load, options.signal)
      try {
        return await askResident(resident, request, options)
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
    const residents = [...this.#slots.values()]
    this.#slots.clear()
    await Promise.all(residents.map(({ worker }) => worker.kill()))
  }

  async #at(slot: Slot, { request, env }: Load, signal: AbortSignal): Promise<Resident> {
    signal.throwIfAborted()
    const key = JSON.stringify(request)
    const there = this.#slots.get(slot.index)
    if (there !== undefined) {
      if (there.key === key && there.worker.isAlive && !isWorn(there)) return there
      this.#slots.delete(slot.index)
      await there.worker.kill()
    }
    const worker = new FasterWhisperWorker(this.#interpreter, { ...env, ...slotEnv(slot) })
    const resident = {
      worker,
      key,
      requests: 0,
      usualBytes: 0,
      lastBytes: 0,
      longestMs: 0,
    }
    this.#slots.set(slot.index, resident)
    await worker.ask(request, { signal, idleMs: LOAD_IDLE_MS })
    return resident
  }
}

function isWorn({ requests, usualBytes, lastBytes }: Resident): boolean {
  return requests >= RECYCLE_AFTER || lastBytes > usualBytes * RECYCLE_AT
}

async function askResident(
  resident: Resident,
  request: WorkerRequest,
  { idleMs, ...options }: Request,
): Promise<WorkerAnswer> {
  const { worker, longestMs } = resident
  const expectedMs = Math.max(LEAST_IDLE_MS, longestMs * PATIENCE)
  let last = performance.now()
  const answer = await worker.ask(request, {
    ...options,
    idleMs: longestMs === 0 ? idleMs : Math.min(idleMs, expectedMs),
    onEvent() {
      if (request.op !== 'transcribe') return
      const now = performance.now()
      resident.longestMs = Math.max(resident.longestMs, now - last)
      last = now
    },
  })
  resident.requests += 1
  resident.lastBytes = answer.bytes ?? 0
  if (resident.requests <= FIRST_REQUESTS) {
    resident.usualBytes = Math.max(resident.usualBytes, resident.lastBytes)
  }
  return answer
}
