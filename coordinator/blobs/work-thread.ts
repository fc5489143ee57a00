import { Worker, type ResourceLimits } from 'node:worker_threads'
import { SECOND } from '../../shared/duration.ts'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { startTimer } from '../../shared/timers.ts'
import type { Outcome } from './thread-script.ts'
import type { ThreadWork } from './thread-work.ts'

export interface WorkThreadOptions {
  /** How many may wait. */
  most: number
  /** What the objects of one piece of work may take, in MiB. */
  memoryMib?: number
}

interface Waiting {
  message: object
  transfer: ArrayBuffer[]
  /** Those who wait for it have all gone. */
  isUnwanted: () => boolean
  resolve: (value: never) => void
  reject: (error: Error) => void
}

/** Far more than the largest result takes; what takes more is built to be a burden. */
const MEMORY_MIB = 1_536
/** A thread that has nothing to do keeps its memory for so long. */
const IDLE_MS = 30 * SECOND

/**
 * A thread for what would hold the event loop for too long, one piece after the other. It begins with the first and ends
 * when there is nothing to do. What it makes of a piece that takes too much memory is a refusal: only the thread dies.
 */
export class WorkThread {
  readonly #most: number
  readonly #memoryMib: number
  readonly #waiting: Waiting[] = []
  #current: Waiting | null = null
  #worker: Worker | null = null
  #idle: NodeJS.Timeout | undefined
  #closed = false

  constructor({ most, memoryMib = MEMORY_MIB }: WorkThreadOptions) {
    this.#most = most
    this.#memoryMib = memoryMib
  }

  /**
   * Does a piece of work.
   * @param transfer what of its input is given away.
   * @throws {AppError} its own; `unavailable` when too many wait; `too_large` for what takes too much memory.
   */
  async run<Name extends keyof ThreadWork>(
    name: Name,
    input: Parameters<ThreadWork[Name]>[0],
    transfer: ArrayBuffer[] = [],
    isUnwanted: () => boolean = () => false,
  ): Promise<ReturnType<ThreadWork[Name]>> {
    if (this.#closed) throw new AppError('unavailable', 'The coordinator is stopping.')
    if (this.#waiting.length >= this.#most) {
      const message =
        'Too many large transcripts and requests are being worked on: come again in a moment.'
      throw new AppError('unavailable', message)
    }
    return await new Promise((resolve, reject) => {
      this.#waiting.push({ message: { name, input }, transfer, isUnwanted, resolve, reject })
      this.#next()
    })
  }

  /** Ends it; what waits is refused. */
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

/** Starts the script: JavaScript when built; TypeScript in a checkout, which a thread has to be told how to read. */
function startWorker(resourceLimits: ResourceLimits): Worker {
  if (!import.meta.url.endsWith('.ts'))
    return new Worker(new URL('./thread-script.js', import.meta.url), { resourceLimits })
  const script = new URL('./thread-script.ts', import.meta.url).href
  const code = `import(${JSON.stringify(import.meta.resolve('tsx/esm/api'))})
    .then(({ register }) => { register(); return import(${JSON.stringify(script)}) })`
  return new Worker(code, { eval: true, resourceLimits })
}

/** The error as it was in the thread. */
function errorOf(failure: Extract<Outcome, { failure: object }>['failure']): Error {
  const { code, message, problems, system, isSyntax } = failure
  if (code !== null) return new AppError(code, message, problems === undefined ? {} : { problems })
  if (isSyntax === true) return new SyntaxError(message)
  return system === undefined
    ? new Error(message)
    : Object.assign(new Error(message), { code: system })
}
