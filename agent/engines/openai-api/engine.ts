import { timeOfDay } from '../../../shared/time-of-day.ts'
import { AppError, isSystemError } from '../../../shared/errors.ts'
import { isNetworkError, networkReason, retryAfterSeconds } from '../../../shared/network.ts'
import { retry } from '../../../shared/retry.ts'
import { pause } from '../../../shared/timers.ts'
import type { EngineSettings } from '../definition.ts'
import type { Slot } from '../../gpu/slots.ts'
import { postAudio, type Answer } from './audio-post.ts'
import type {
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  TranscribeRequest,
} from '../engine.ts'
import { Closing } from '../closing.ts'
import { MemoryFallback } from '../out-of-memory.ts'
import { isAboutForm, isBusy, serverFailure } from './failure.ts'
import { FORMS, questionOf, type Form } from './fields.ts'
import { readAnswer } from './json.ts'
import { OpenaiServers, type OpenaiServer } from './servers.ts'
import { request as askResident } from '../whisper-cpp/resident-request.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { IdleTimeout, IDLE_MS } from '../../process/idle-timeout.ts'

/** 19 MB as WAV; OpenAI's own server takes 25. */
const PART_SECONDS = 600

/** Tries beside the first while a server has too much to do. */
const RETRIES = 4

/** A server that says it is busy; the last answer counts. */
class Busy extends AppError {
  readonly answer: Answer

  constructor(answer: Answer) {
    const header = answer.headers['retry-after']?.toString()
    const seconds = retryAfterSeconds(header, timeOfDay())
    super('unavailable', 'busy', seconds === undefined ? {} : { retryAfterSeconds: seconds })
    this.answer = answer
  }
}

export class OpenaiEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities = {
    languages: null,
    translate: true,
    words: true,
    speakers: false,
    prompt: true,
    hotwords: true,
    partSeconds: PART_SECONDS,
  }
  readonly #fallback: MemoryFallback
  readonly #servers: OpenaiServers
  /** The best form that a server gives, by address and model, where it refused a better one. */
  readonly #forms = new Map<string, Form>()
  readonly #minMs: number
  readonly #closing = new Closing()

  /**
   * @param models what the out-of-memory fallback may choose from.
   * @param minMs the first wait for a busy server.
   */
  constructor(
    settings: EngineSettings,
    info: EngineInfo,
    models: readonly string[],
    { minMs = 1_000 }: { minMs?: number } = {},
  ) {
    this.info = info
    const { smallerModel } = settings.onOutOfMemory
    this.#fallback = new MemoryFallback(
      { batchSize: null, computeType: null, model: info.model, device: 'gpu' },
      // The server chooses its compute type and device.
      { smallerModel, cpu: false, models, computeTypes: false },
    )
    this.#servers = new OpenaiServers(settings)
    this.#minMs = minMs
  }

  async prepare(slot: Slot, signal: AbortSignal, model: string | null = null): Promise<void> {
    await this.#fallback.run({ slot, model }, async (compute) => {
      const { endpoints, resident } = await this.#servers.at(slot, compute.model, signal)
      if (resident === null && !(await this.#servers.isReady(null, signal))) {
        throw unreachable(endpoints.transcriptions)
      }
    })
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { slot, options } = request
    const signal = AbortSignal.any([request.signal, this.#closing.signal])
    const { result, warnings } = await this.#fallback.run(
      { slot, model: options.model },
      async ({ model }) => await this.#recognise({ ...request, signal }, model),
    )
    return { ...result, warnings: [...warnings, ...result.warnings] }
  }

  async close(): Promise<void> {
    this.#closing.close()
    this.#fallback.forget()
    await this.#servers.close()
  }

  /** Asks for word timestamps, and for less when the server refuses them. */
  async #recognise(request: TranscribeRequest, model: string): Promise<Recognised> {
    const server = await this.#servers.at(request.slot, model, request.signal)
    const { transcriptions } = server.endpoints
    const key = JSON.stringify([transcriptions, model])
    let at = Math.max(request.options.words ? 0 : 1, FORMS.indexOf(this.#forms.get(key) ?? 'words'))
    for (;;) {
      const form = FORMS[at] ?? 'text'
      const answer = await this.#ask(server, request, model, form)
      const { status, body, headers } = answer
      if (isAboutForm(status, body) && at < FORMS.length - 1) {
        at++
        this.#forms.set(key, FORMS[at] ?? 'text')
        continue
      }
      if (status !== 200) throw await this.#failure(answer, server, model)
      const recognised = readAnswer(body, String(headers['content-type'] ?? ''), request)
      const warnings =
        form === 'text' && recognised.segments.length > 0
          ? ['The server gives no timestamps: each part is one segment.']
          : []
      return { ...recognised, warnings }
    }
  }

  async #failure(answer: Answer, server: OpenaiServer, model: string): Promise<AppError> {
    const { status, headers, body } = answer
    const failure = serverFailure(status, body, {
      server: server.endpoints.transcriptions,
      model,
      retryAfterSeconds: retryAfterSeconds(headers['retry-after']?.toString(), timeOfDay()),
    })
    if (failure.code === 'gpu_out_of_memory') await server.resident?.kill()
    return failure
  }

  async #ask(
    server: OpenaiServer,
    request: TranscribeRequest,
    model: string,
    form: Form,
  ): Promise<Answer> {
    const { signal } = request
    const options = {
      signal,
      retries: RETRIES,
      minMs: this.#minMs,
      maxMs: 30_000,
      isTransient: (error: unknown) => error instanceof Busy,
      wait: (ms: number) => whileQuiet(pause(ms, signal)),
    }
    try {
      return await retry(options, async () => {
        const answer = await this.#post(server, request, model, form)
        if (isBusy(answer.status, answer.body)) throw new Busy(answer)
        return answer
      })
    } catch (error) {
      signal.throwIfAborted()
      if (error instanceof Busy) return error.answer
      throw error
    }
  }

  async #post(
    server: OpenaiServer,
    request: TranscribeRequest,
    model: string,
    form: Form,
  ): Promise<Answer> {
    const { options, again, signal, wavPath, durationSeconds } = request
    const { url, fields } = questionOf(server, options, model, form, again)
    const { headers } = this.#servers
    const post = async (until: AbortSignal): Promise<Answer> =>
      await postAudio(url, wavPath, fields, { signal: until, headers })
    // The server prints nothing while it works.
    const idleMs = IDLE_MS + durationSeconds * 10_000
    if (server.resident !== null) {
      return await askResident(
        server.resident,
        { signal, durationSeconds },
        () => undefined,
        post,
        idleMs,
      )
    }
    const idle = new IdleTimeout(idleMs, 'The engine openai-api')
    try {
      return await post(AbortSignal.any([signal, idle.signal]))
    } catch (error) {
      signal.throwIfAborted()
      idle.signal.throwIfAborted()
      if (!isNetworkError(error)) throw error
      throw unreachable(url, error)
    } finally {
      idle.end()
    }
  }
}

function unreachable(url: string, cause?: unknown): AppError {
  const started = isSystemError(
    cause,
    'ECONNRESET',
    'EPIPE',
    'UND_ERR_SOCKET',
    'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  )
  if (started) {
    const why = `The server at ${url} closed the connection: ${networkReason(cause)}.`
    return new AppError('engine_failed', why, { cause })
  }
  const why = cause === undefined ? 'it does not answer' : networkReason(cause)
  return new AppError(
    'engine_missing',
    `The server at ${url} cannot be reached: ${why}. Start it, or correct --engine-url.`,
    { cause },
  )
}
