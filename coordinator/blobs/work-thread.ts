import { Worker, type ResourceLimits } from 'node:worker_threads'
import { SECOND } from '../../shared/duration.ts'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Outcome, ThreadWork } from './thread-script.ts'

export interface WorkThreadOptions {
  maxWaiting: number
  /** Heap limit in MiB. */
  memoryMib?: number
}

interface Waiting {
  message: object
  transfer: ArrayBuffer[]
  /** Whether all callers have left. */
  isUnwanted: () => boolean
  resolve: (value: never) => void
  reject: (error: Error) => void
}

/** Far more than the largest result takes. */
const MEMORY_MIB = 1_536
/** An idle thread ends, to free its memory. */
const IDLE_MS = 30 * SECOND

/**
 * Runs tasks one by one in a thread that starts on demand and ends when idle. A task that takes too much memory kills the
 * thread alone.
 */
export class WorkThread {
  readonly #maxWaiting: number
  readonly #memoryMib: number
  readonly #waiting: Waiting[] = []
  #current: Waiting | null = null
  #worker: Worker | null = null
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor({ maxWaiting, memoryMib = MEMORY_MIB }: WorkThreadOptions) {
    this.#maxWaiting = maxWaiting
    this.#memoryMib = memoryMib
  }

  /**
   * @param transfer buffers of the input to move.
   * @throws {AppError} the task's own; `unavailable` when too many wait; `too_large` when it takes too much memory.
   */
  async run<Name extends keyof ThreadWork>(
    name: Name,
    input: Parameters<ThreadWork[Name]>[0],
    transfer: ArrayBuffer[] = [],
    isUnwanted: () => boolean = () => false,
  ): Promise<ReturnType<ThreadWork[Name]>> {
    if (this.#closed) throw new AppError('unavailable', 'The coordinator is stopping.')
    if (this.#waiting.length >= this.#maxWaiting) {
      const message =
        'Too many large transcripts and requests are being processed: retry in a moment.'
      throw new AppError('unavailable', message)
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ message: { name, input }, transfer, isUnwanted, resolve, reject })
      this.#next()
    })
  }

  /** Ends the thread; waiting tasks are refused. */
  async close(): Promise<void> {
    this.#closed = true
    clearTimeout(this.#idle)
    const stopping = new AppError('unavailable', 'The coordinator is stopping.')
    for (const one of [...this.#waiting.splice(0), this.#current]) one?.reject(stopping)
    this.#current = null
    await this.#worker?.terminate()
  }

  #next(): void {
    if (this.#current !== null) return
    const next = this.#waiting.shift()
    if (next === undefined) return this.#rest()
    if (next.isUnwanted()) {
      next.reject(new AppError('bad_request', 'The caller went away.'))
      return this.#next()
    }
    this.#current = next
    clearTimeout(this.#idle)
    this.#worker ??= this.#start()
    this.#worker.ref()
    this.#worker.postMessage(next.message, next.transfer)
  }

  #rest(): void {
    const worker = this.#worker
    if (worker === null) return
    worker.unref()
    clearTimeout(this.#idle)
    this.#idle = startTimer(() => {
      if (this.#current !== null || this.#worker !== worker) return
      this.#worker = null
      void worker.terminate()
    }, IDLE_MS).unref()
  }

  #start(): Worker {
    const worker = startWorker({ maxOldGenerationSizeMb: this.#memoryMib })
    worker.on('message', (outcome: Outcome) => {
      const current = this.#current
      this.#current = null
      if ('value' in outcome) current?.resolve(outcome.value as never)
      else current?.reject(errorOf(outcome.failure))
      this.#next()
    })
    worker.on('error', (error: Error) => this.#died(worker, error))
    worker.on('exit', (code) => {
      this.#died(worker, new Error(`The thread has ended with ${code}.`))
    })
    return worker
  }

  #died(worker: Worker, error: Error): void {
    if (this.#worker !== worker) return
    this.#worker = null
    const current = this.#current
    this.#current = null
    current?.reject(
      isSystemError(error, 'ERR_WORKER_OUT_OF_MEMORY')
        ? new AppError('too_large', `It takes more than ${this.#memoryMib} MiB of memory to read.`)
        : new AppError('internal', messageOf(error), { cause: error }),
    )
    this.#next()
  }
}

/** JavaScript when built; TypeScript in a checkout, for which the thread registers a loader. */
function startWorker(resourceLimits: ResourceLimits): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./thread-script.js', import.meta.url), { resourceLimits })
  const script = new URL('./thread-script.ts', import.meta.url).href
  const code = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))})
    .then(({ register }) => { register(); return import(${JSON.stringify(script)}) })`
  return new Worker(code, { eval: true, resourceLimits })
}

function errorOf(failure: Extract<Outcome, { failure: object }>['failure']): Error {
  const { code, message, problems, system, isSyntax } = failure
  if (code !== null) return new AppError(code, message, { problems })
  if (isSyntax === true) return new SyntaxError(message)
  return system === undefined
    ? new Error(message)
    : Object.assign(new Error(message), { code: system })
}
