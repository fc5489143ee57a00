import path from 'node:path'
import { AppError, messageOf } from '../../../shared/errors.ts'
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
import { sherpaVersion } from '../sherpa/installed.ts'
import { LoadedProcesses } from '../sherpa/loaded-processes.ts'
import { MoonshineProcess } from './process.ts'
import type { MoonshineFiles } from './recognizer.ts'

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
  readonly #processes: LoadedProcesses<MoonshineFiles, MoonshineProcess>

  constructor(options: MoonshineOptions) {
    const { locate = async (signal) => await locateIn(options, signal) } = options
    this.#processes = new LoadedProcesses(locate, () => new MoonshineProcess())
  }

  async prepare(_slot: Slot, signal: AbortSignal): Promise<void> {
    await this.#processes.use(signal, async () => undefined)
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { options, wavPath, speech } = request
    const { language } = options
    if (!isEnglish(language)) {
      throw new AppError(
        'unsupported_language',
        `The engine moonshine is English-only, and does not know '${language}'.`,
      )
    }
    return await this.#processes.use(request.signal, async (recognizer, signal) => {
      const segments = await recognizer.transcribe(wavPath, speech, signal, (seconds) =>
        request.onProgress(seconds),
      )
      const doubt = await recognizer.doubt(wavPath, speech, signal)
      return { language: 'en', doubt, segments, warnings: [] }
    })
  }

  async close(): Promise<void> {
    await this.#processes.close()
  }
}

async function locateIn(
  { modelsDir, onPull, source }: MoonshineOptions,
  signal: AbortSignal,
): Promise<MoonshineFiles> {
  const model = await ensureModel(MODEL, { dir: modelsDir, signal, source, onProgress: onPull })
  return {
    encoder: path.join(model, 'encoder_model.onnx'),
    decoder: path.join(model, 'decoder_model_merged.onnx'),
    tokens: path.join(model, 'tokens.txt'),
  }
}

function isEnglish(language: string | null): boolean {
  return language === null || /^(auto|english|eng?([-_].*)?)$/i.test(language.trim())
}
