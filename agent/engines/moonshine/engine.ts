import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import path from 'node:path'
import { AppError, messageOf } from '../../../shared/errors.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { ensureModel } from '../../models/models.ts'
import type { Slot } from '../../gpu/slots.ts'
import { unusable, type EngineDefinition, type EngineSettings, type Probe } from '../definition.ts'
import type {
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  TranscribeRequest,
} from '../engine.ts'
import { MoonshineProcess } from './process.ts'
import type { MoonshineFiles } from './recognizer.ts'
import { Closing, unlessAborted } from '../closing.ts'

export interface MoonshineOptions extends Pick<EngineSettings, 'modelsDir' | 'onPull' | 'source'> {
  /** Default: `modelsDir`, fetched when missing. */
  locate?: (signal: AbortSignal) => Promise<MoonshineFiles>
}

const MODEL = 'moonshine-tiny'
/** Much more than the longest chunk, and little to lose with a machine. */
const PART_SECONDS = 120

export const moonshine: EngineDefinition = {
  name: 'moonshine',
  description: 'Moonshine tiny, embedded: English, on the CPU, nothing to install',
  probe: (settings) => Promise.resolve(found(settings)),
  create: (settings) => createMoonshine(settings),
}

function found({ model }: EngineSettings): Probe {
  if (model !== null && model !== MODEL) {
    return unusable(`its only model is ${MODEL}, not '${model}'.`)
  }
  try {
    const version = sherpaVersion()
    const why = 'It comes with this package and needs no GPU.'
    return { usable: true, why, program: null, version, model: MODEL, models: [MODEL] }
  } catch (error) {
    return unusable(messageOf(error))
  }
}

/**
 * Moonshine tiny through sherpa-onnx: English only, one CPU thread per recording, about twenty times real time.
 * Processes are kept for the next recording.
 * @throws {AppError} `engine_missing` when sherpa-onnx-node is not installed.
 */
export function createMoonshine(options: MoonshineOptions): Engine {
  return new MoonshineEngine(options)
}

class MoonshineEngine implements Engine {
  readonly info: EngineInfo = {
    name: 'moonshine',
    model: MODEL,
    device: 'cpu',
    version: sherpaVersion(),
  }
  readonly abilities: EngineAbilities = {
    languages: ['en'],
    translate: false,
    words: false,
    speakers: false,
    prompt: false,
    hotwords: false,
    deterministic: true,
    partSeconds: PART_SECONDS,
  }
  readonly #options: MoonshineOptions
  readonly #processes = new Set<MoonshineProcess>()
  readonly #idle = new Set<MoonshineProcess>()
  /** Located once; again after a process could not load them. */
  #files: Promise<MoonshineFiles> | null = null
  readonly #closing = new Closing()

  constructor(options: MoonshineOptions) {
    this.#options = options
  }

  async prepare(_slot: Slot, signal: AbortSignal): Promise<void> {
    const recognizer = await this.#take(AbortSignal.any([signal, this.#closing.signal]))
    this.#idle.add(recognizer)
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { options } = request
    const { language } = options
    if (!isEnglish(language)) {
      throw new AppError(
        'unsupported_language',
        `The engine moonshine is English-only, and does not know '${language}'.`,
      )
    }
    const signal = AbortSignal.any([request.signal, this.#closing.signal])
    const recognizer = await this.#take(signal)
    const { wavPath, speech } = request
    const segments = await recognizer.transcribe(wavPath, speech, signal, (seconds) =>
      request.onProgress(seconds),
    )
    const doubt = await recognizer.doubt(wavPath, speech, signal)
    if (recognizer.isAlive) this.#idle.add(recognizer)
    return { language: 'en', doubt, segments, warnings: [] }
  }

  async close(): Promise<void> {
    this.#closing.close()
    this.#files = null
    this.#idle.clear()
    await Promise.all([...this.#processes].map((recognizer) => recognizer.kill()))
  }

  async #take(signal: AbortSignal): Promise<MoonshineProcess> {
    signal.throwIfAborted()
    for (const recognizer of this.#idle) {
      this.#idle.delete(recognizer)
      if (recognizer.isAlive) return recognizer
    }
    const files = await whileQuiet(unlessAborted(this.#locate(), signal))
    const recognizer = new MoonshineProcess()
    this.#processes.add(recognizer)
    void recognizer.ended.then(() => this.#processes.delete(recognizer))
    try {
      await recognizer.load(files, signal)
      return recognizer
    } catch (error) {
      this.#files = null
      throw error
    }
  }

  /** One search or download, shared by all callers. Only `close` ends it. */
  #locate(): Promise<MoonshineFiles> {
    if (this.#files === null) {
      const { signal } = this.#closing
      const files = this.#options.locate?.(signal) ?? locateIn(this.#options, signal)
      files.catch(() => {
        if (this.#files === files) this.#files = null
      })
      this.#files = files
    }
    return this.#files
  }
}

async function locateIn(
  { modelsDir, onPull, source }: MoonshineOptions,
  signal: AbortSignal,
): Promise<MoonshineFiles> {
  const options = {
    dir: modelsDir,
    signal,
    source,
    onProgress: onPull,
  }
  const model = await ensureModel(MODEL, options)
  return {
    encoder: path.join(model, 'encoder_model.onnx'),
    decoder: path.join(model, 'decoder_model_merged.onnx'),
    tokens: path.join(model, 'tokens.txt'),
  }
}

function isEnglish(language: string | null): boolean {
  return language === null || /^(auto|english|eng?([-_].*)?)$/i.test(language.trim())
}

function sherpaVersion(): string {
  try {
    const file = createRequire(import.meta.url).resolve('sherpa-onnx-node/package.json')
    return String((JSON.parse(readFileSync(file, 'utf8')) as { version: unknown }).version)
  } catch (error) {
    throw new AppError(
      'engine_missing',
      'The npm package sherpa-onnx-node is not installed: install this package again without leaving out its optional dependencies, or choose another engine.',
      { cause: error },
    )
  }
}
