import { fileURLToPath } from 'node:url'
import { z } from 'zod'
import { childEnv } from '../../../shared/child-env.ts'
import { AppError } from '../../../shared/errors.ts'
import { Lines } from '../../../shared/lines.ts'
import { holdGroup, signalGroup } from '../../../shared/process-group.ts'
import { startChild } from '../../../shared/start-child.ts'
import { IdleTimeout } from '../../process/idle-timeout.ts'
import { dyingWithUs } from '../../process/parent-death.ts'
import { Tail } from '../../../shared/run-program.ts'
import { failureOf } from './failures.ts'
import { rawSegment } from './output.ts'

const NAME = 'faster-whisper'
/** Full path of the worker program. */
export const WORKER_SCRIPT = fileURLToPath(
  new URL('../../assets/faster-whisper-worker.py', import.meta.url),
)

const event = z.discriminatedUnion('event', [
  rawSegment.extend({ event: z.literal('segment') }),
  z.object({ event: z.literal('progress') }),
  z.object({
    event: z.literal('done'),
    bytes: z.number().nullable(),
    language: z.string().nullish(),
    probability: z.number().nullish(),
    languages: z
      .array(z.object({ language: z.string(), probability: z.number() }).nullable())
      .optional(),
  }),
  z.object({ event: z.literal('failed'), text: z.string() }),
])

type WorkerEvent = z.infer<typeof event>
export type WorkerSegment = Extract<WorkerEvent, { event: 'segment' }>

/** `bytes`: the memory that the worker holds; null where the system does not say. */
export type WorkerAnswer = Extract<WorkerEvent, { event: 'done' }>

/** `model`: a folder, or a name that is fetched. */
export interface LoadRequest {
  op: 'load'
  model: string
  options: {
    device: 'cuda' | 'cpu'
    compute_type: string
    /** 0: as the library has it. */
    cpu_threads: number
  }
}

/** The keys are those that `assets/faster-whisper-worker.py` reads. */
export type WorkerRequest =
  | LoadRequest
  | { op: 'detect'; wavs: readonly string[]; languages: readonly string[] | null }
  | {
      op: 'transcribe'
      wav: string
      /** Seconds; each at most 30 s long. */
      windows: readonly (readonly [start: number, end: number])[]
      language: string | null
      /** How many windows at a time; null: one after the other, with all the checks of their text. */
      batch: number | null
      options: {
        task: 'transcribe' | 'translate'
        word_timestamps: boolean
        condition_on_previous_text: false
        vad_filter: false
        initial_prompt: string | null
        hotwords: string | null
        temperature?: readonly number[]
        hallucination_silence_threshold?: number
      }
    }

export interface AskOptions {
  signal: AbortSignal
  /** Printing nothing for longer is a hang. */
  idleMs: number
  /** Called for each event: the worker is alive. */
  onEvent?: () => void
  onSegment?: (segment: WorkerSegment) => void
}

/** The worker printed nothing for too long, and was killed. */
export class WorkerHangs extends AppError {
  constructor(idleMs: number) {
    const seconds = Math.round(idleMs / 1000)
    super('engine_failed', `The engine ${NAME} hangs: it printed nothing for ${seconds} seconds.`)
  }
}

/**
 * A running `faster-whisper-worker.py`: one model, asked one thing at a time. The process ends with this one, with its
 * standard input, and after every failure: CTranslate2 cannot be interrupted, and after a failed allocation its memory
 * is not to be trusted.
 */
export class FasterWhisperWorker {
  readonly #child
  readonly #stderr = new Tail()
  /** Resolves when the process is gone, however it went. */
  readonly ended: Promise<void>
  #onEvent: (event: WorkerEvent) => void = () => undefined
  #end: { exitCode: number | null; signal: string | null } | null = null

  /** @param interpreter a Python with `faster_whisper`. @param env beside the allow-listed part of ours. */
  constructor(interpreter: string, env: Record<string, string>) {
    const { file, args } = dyingWithUs({ file: interpreter, args: [WORKER_SCRIPT] })
    this.#child = startChild(file, args, {
      env: childEnv(env),
      stdin: 'pipe',
      buffer: false,
      // A terminal's Ctrl-C is not for it: a drain lets it finish.
      detached: true,
    })
    const { pid, stdin, stdout, stderr } = this.#child
    const release = pid === undefined ? undefined : holdGroup(pid)
    const lines = new Lines((line) => this.#onEvent(parsed(line)))
    stdout.on('data', (chunk: Buffer) => lines.push(chunk))
    stderr.on('data', (chunk: Buffer) => this.#stderr.push(chunk))
    // Writing to a process that has ended fails; `ended` tells.
    stdin.on('error', () => undefined)
    this.#child.on('exit', () => signalGroup(pid, 'SIGKILL'))
    this.ended = this.#child.then((result) => {
      release?.()
      this.#end = { exitCode: result.exitCode ?? null, signal: result.signal ?? null }
    })
  }

  get isAlive(): boolean {
    return this.#end === null
  }

  get pid(): number | undefined {
    return this.#child.pid
  }

  /** Ends it at once: it holds nothing that has to be saved. */
  async kill(): Promise<void> {
    signalGroup(this.#child.pid, 'SIGKILL')
    await this.ended
  }

  /**
   * @throws {WorkerHangs}; {AppError} what its traceback or its end means; the signal's reason when aborted. The process is
   * gone after each of them.
   */
  async ask(request: WorkerRequest, options: AskOptions): Promise<WorkerAnswer> {
    const { signal, idleMs, onEvent, onSegment } = options
    const idle = new IdleTimeout(idleMs, `The engine ${NAME}`)
    const stopped = AbortSignal.any([signal, idle.signal])
    const stop = (): void => signalGroup(this.#child.pid, 'SIGKILL')
    stopped.addEventListener('abort', stop, { once: true })
    const answered = new Promise<WorkerAnswer>((resolve, reject) => {
      this.#onEvent = (said) => {
        idle.reset()
        try {
          onEvent?.()
          if (said.event === 'done') resolve(said)
          else if (said.event === 'failed') reject(this.#failure(said.text))
          else if (said.event === 'segment') onSegment?.(said)
        } catch (error) {
          // Thrown on from here it would end the agent.
          reject(error as Error)
        }
      }
    })
    try {
      signal.throwIfAborted()
      this.#child.stdin.write(`${JSON.stringify(request)}\n`)
      const answer = await Promise.race([answered, this.ended])
      signal.throwIfAborted()
      if (idle.signal.aborted) throw new WorkerHangs(idleMs)
      if (answer === undefined) throw this.#failure(this.#stderr.text())
      return answer
    } catch (error) {
      await this.kill()
      throw error
    } finally {
      idle.end()
      stopped.removeEventListener('abort', stop)
      this.#onEvent = () => undefined
      answered.catch(() => undefined)
    }
  }

  #failure(text: string): AppError {
    const { exitCode = 1, signal = null } = this.#end ?? {}
    return failureOf(NAME, { exitCode, signal, stdout: '', stderr: text })
  }
}

/** A line that is no event is a failure: the stream is the worker's alone. */
function parsed(line: string): WorkerEvent {
  try {
    return event.parse(JSON.parse(line))
  } catch {
    return { event: 'failed', text: `its worker printed what is no event: ${line.slice(0, 200)}` }
  }
}
