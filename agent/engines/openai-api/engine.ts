import { AppError } from '../../../shared/errors.ts'
import { totalLength } from '../../../shared/span.ts'
import { WHISPER_WINDOWS } from '../../audio/windows.ts'
import type { EngineSettings } from '../definition.ts'
import type { Slot } from '../../gpu/slots.ts'
import { untimed } from '../clip-segments.ts'
import { Closing } from '../closing.ts'
import type {
  AudioPiece,
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  TranscribeRequest,
} from '../engine.ts'
import { MemoryFallback } from '../out-of-memory.ts'
import { askBest, askSpeakers, type Asked, type Reply } from './asking.ts'
import { Exchange, unreachable } from './exchange.ts'
import { Load } from './load.ts'
import { distrust, newProfile, whyNot, type Profile } from './profile.ts'
import { OpenaiServers } from './servers.ts'
import { inWindows, PART_SECONDS } from './windowed.ts'

/** Windows at a server at once. */
const CONCURRENCY = 4

/** OpenAI's and others' models that tell speakers apart say so in their names. */
const DIARIZES = /diari[sz]/i

export class OpenaiEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #fallback: MemoryFallback
  readonly #servers: OpenaiServers
  readonly #exchange: Exchange
  readonly #concurrency: number
  /** By model: all servers are of one kind. */
  readonly #profiles = new Map<string, Profile>()
  /** By address. */
  readonly #loads = new Map<string, Load>()
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
    this.abilities = {
      languages: null,
      translate: true,
      words: true,
      speakers: DIARIZES.test(info.model) ? true : 'maybe',
      prompt: true,
      hotwords: true,
      partSeconds: PART_SECONDS,
    }
    const { smallerModel } = settings.onOutOfMemory
    this.#fallback = new MemoryFallback(
      { batchSize: null, computeType: null, model: info.model, device: 'gpu' },
      // The server chooses its compute type and device.
      { smallerModel, cpu: false, models, computeTypes: false },
    )
    this.#servers = new OpenaiServers(settings)
    this.#exchange = new Exchange(this.#servers.headers, minMs)
    this.#concurrency = settings.concurrency ?? CONCURRENCY
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
    // Another server may be there next time.
    this.#profiles.clear()
    this.#loads.clear()
    await this.#servers.close()
  }

  readonly tellsSpeakers = async (request: TranscribeRequest): Promise<boolean> => {
    const signal = AbortSignal.any([request.signal, this.#closing.signal])
    const piece = { ...request, signal }
    const { slot, options } = request
    const { result } = await this.#fallback.run(
      { slot, model: options.model },
      async ({ model }) => {
        const asked = await this.#asked(piece, model)
        const { profile } = asked
        if (profile.speakers === null) await askSpeakers(this.#exchange, asked, piece)
        return profile.speakers ?? false
      },
    )
    return result
  }

  async #recognise(request: TranscribeRequest, model: string): Promise<Recognised> {
    const asked = await this.#asked(request, model)
    if (request.options.speakers !== null) {
      const reply = await askSpeakers(this.#exchange, asked, request)
      if (reply !== null) return reply
      throw new AppError('engine_failed', 'The server does not tell speakers apart.')
    }
    const { profile } = asked
    const { transcriptions } = asked.server.endpoints
    const load = at(this.#loads, transcriptions, () => new Load(this.#concurrency))
    return await inWindows(request, profile, this.#concurrency, async (piece, isOneOfMany) => {
      // A server that was started here may have ended meanwhile.
      const there = await this.#asked(piece, model)
      const reply = await askBest(
        this.#exchange,
        { ...there, load: isOneOfMany ? load : null },
        piece,
      )
      return timed(reply, piece, profile)
    })
  }

  async #asked({ slot, signal }: AudioPiece, model: string): Promise<Asked> {
    const server = await this.#servers.at(slot, model, signal)
    const profile = at(this.#profiles, model, () => newProfile(server.kind))
    return { server, model, profile, load: null }
  }
}

/** At the server's times where they can be true, else at ours; null where the piece is too long for ours. */
function timed(
  { language, segments, text, warnings }: Reply,
  piece: TranscribeRequest,
  profile: Profile,
): Recognised | null {
  if (profile.form !== 'text') {
    const why = whyNot(segments, text)
    if (why !== null) distrust(profile, why)
    else {
      profile.isProven ||= segments.some(({ start, end }) => end > start)
      return { language, segments, warnings }
    }
  }
  if (totalLength(piece.speech) > WHISPER_WINDOWS.maxSeconds) return null
  const estimated = untimed(text, piece)
  if (estimated.length === 0) return { language, segments: [], warnings }
  const missing = piece.options.words ? ', and words have none' : ''
  const warning = `Times are estimated from the pauses${missing}: ${profile.why}.`
  return { language, segments: estimated, warnings: [...warnings, warning] }
}

function at<T>(map: Map<string, T>, key: string, make: () => T): T {
  const there = map.get(key) ?? make()
  map.set(key, there)
  return there
}
