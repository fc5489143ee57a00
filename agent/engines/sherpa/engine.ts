import path from 'node:path'
import { AppError, messageOf } from '../../../shared/errors.ts'
import { languageCode } from '../../../shared/languages.ts'
import type { Slot } from '../../gpu/slots.ts'
import { ensureModel, isThere } from '../../models/models.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { unlessAborted } from '../closing.ts'
import { unusable, type EngineDefinition, type EngineSettings, type Probe } from '../definition.ts'
import type {
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  TranscribeRequest,
} from '../engine.ts'
import { Residents } from '../residents.ts'
import type { SherpaModel } from './chunk-recognizer.ts'
import { sherpaVersion } from './installed.ts'
import { SherpaProcess } from './process.ts'

/** An engine that is one model of sherpa-onnx, on the CPU. */
export interface SherpaKind extends Pick<SherpaModel, 'files'> {
  name: SherpaModel['kind']
  description: string
  /** In the catalogue of models. */
  model: string
  /** Fetched at the first use; else only where it was pulled. */
  isFetched: boolean
  languages: readonly string[]
  words: boolean
  partSeconds: number
  /** @param wanted by the settings; null: the engine's own choice. */
  threads: (wanted: number | null) => number
}

export function sherpaEngine(kind: SherpaKind): EngineDefinition {
  return {
    name: kind.name,
    description: kind.description,
    probe: (settings) => probe(kind, settings),
    create: (settings) => new SherpaEngine(kind, settings),
  }
}

async function probe({ model, isFetched }: SherpaKind, settings: EngineSettings): Promise<Probe> {
  if (settings.model !== null && settings.model !== model) {
    return unusable(`its only model is ${model}, not '${settings.model}'.`)
  }
  try {
    const version = sherpaVersion()
    if (!isFetched && !(await isThere(model, settings.modelsDir))) {
      const why = `its model is not here. Pull it: morag-agent models pull ${model}`
      return unusable(why, { version })
    }
    const why = isFetched
      ? 'It comes with this package and needs no GPU.'
      : `It comes with this package; the model ${model} is here.`
    return { usable: true, why, program: null, version, model, models: [model] }
  } catch (error) {
    return unusable(messageOf(error))
  }
}

type Settings = Pick<EngineSettings, 'modelsDir' | 'onPull' | 'source' | 'threads'>

/** One process per slot, kept for the next recording. */
export class SherpaEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #kind: SherpaKind
  readonly #settings: Settings
  readonly #processes = new Residents<SherpaProcess>()
  /** One download for all slots. */
  #folder: Promise<string> | null = null

  /** @throws {AppError} `engine_missing` when sherpa-onnx-node is not installed. */
  constructor(kind: SherpaKind, settings: Settings) {
    const { name, model, languages, words, partSeconds } = kind
    this.info = { name, model, device: 'cpu', version: sherpaVersion() }
    this.abilities = {
      languages,
      translate: false,
      words,
      speakers: false,
      prompt: false,
      hotwords: false,
      deterministic: true,
      partSeconds,
    }
    this.#kind = kind
    this.#settings = settings
  }

  async prepare(slot: Slot, signal: AbortSignal): Promise<void> {
    await this.#at(slot, signal)
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { name, languages } = this.#kind
    const asked = request.options.language
    const language = languageCode(asked)
    if (asked !== null && !languages.includes(language ?? '')) {
      throw new AppError(
        'unsupported_language',
        `The engine ${name} does not know '${asked}', only ${languages.join(', ')}.`,
      )
    }
    const signal = AbortSignal.any([request.signal, this.#processes.closing])
    const process = await this.#at(request.slot, signal)
    const answer = await process.recognise(request, signal)
    const only = languages.length === 1 ? languages[0]! : language
    return { ...answer, language: only, warnings: warningsFor(name, language) }
  }

  async close(): Promise<void> {
    await this.#processes.close()
  }

  async #at(slot: Slot, signal: AbortSignal): Promise<SherpaProcess> {
    const { name, files, threads } = this.#kind
    const start = async (until: AbortSignal): Promise<SherpaProcess> => {
      const folder = await whileQuiet(unlessAborted(this.#fetched(), until))
      const paths = Object.entries(files).map(([key, file]) => [key, path.join(folder, file)])
      const model = {
        kind: name,
        files: Object.fromEntries(paths) as Record<string, string>,
        threads: threads(this.#settings.threads),
      }
      const process = new SherpaProcess(name)
      await process.load(model, until)
      return process
    }
    return await this.#processes.at(slot.index, name, start, signal)
  }

  /** The folder of the model. Only `close` ends the download. */
  #fetched(): Promise<string> {
    const { modelsDir: dir, source, onPull: onProgress } = this.#settings
    const { closing: signal } = this.#processes
    this.#folder ??= ensureModel(this.#kind.model, { dir, signal, source, onProgress }).finally(
      () => (this.#folder = null),
    )
    return this.#folder
  }
}

/** A model for several languages finds them by itself, sentence by sentence, and cannot be held to one. */
function warningsFor(engine: string, language: string | null): string[] {
  if (language === null || language === 'en') return []
  const name = new Intl.DisplayNames(['en'], { type: 'language' }).of(language) ?? language
  return [
    `The engine ${engine} cannot be told that ${name} is spoken: some sentences may be in another language. Whisper (whisper-cpp, faster-whisper) can.`,
  ]
}
