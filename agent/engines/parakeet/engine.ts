import { availableParallelism } from 'node:os'
import path from 'node:path'
import { AppError, messageOf } from '../../../shared/errors.ts'
import { languageCode } from '../../../shared/languages.ts'
import { scriptBeside } from '../../process/forked-child.ts'
import type { Slot } from '../../gpu/slots.ts'
import { ensureModel, isThere } from '../../models/models.ts'
import { PARAKEET, PARAKEET_LANGUAGES } from '../../models/sherpa-models.ts'
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
import { RecognizerProcess } from '../sherpa/recognizer-process.ts'
import type { ParakeetModel } from './recognizer.ts'

type Options = Pick<EngineSettings, 'modelsDir' | 'onPull' | 'source' | 'threads'>

const PART_SECONDS = 300
/** More cores help little, and leave none for others. */
const MOST_THREADS = 4

export const parakeet: EngineDefinition = {
  name: 'parakeet',
  description: 'Parakeet v3, embedded: 25 European languages, on the CPU, its model is pulled',
  probe,
  create: (settings) => new ParakeetEngine(settings),
}

async function probe({ model, modelsDir }: EngineSettings): Promise<Probe> {
  if (model !== null && model !== PARAKEET) {
    return unusable(`its only model is ${PARAKEET}, not '${model}'.`)
  }
  try {
    const version = sherpaVersion()
    if (!(await isThere(PARAKEET, modelsDir))) {
      return unusable(`its model is not here. Pull it: morag-agent models pull ${PARAKEET}`, {
        version,
      })
    }
    const why = `It comes with this package; the model ${PARAKEET} is here.`
    return { usable: true, why, program: null, version, model: PARAKEET, models: [PARAKEET] }
  } catch (error) {
    return unusable(messageOf(error))
  }
}

/** Parakeet TDT v3 through sherpa-onnx. Processes are kept for the next recording. */
class ParakeetEngine implements Engine {
  readonly info: EngineInfo = {
    name: 'parakeet',
    model: PARAKEET,
    device: 'cpu',
    version: sherpaVersion(),
  }
  readonly abilities: EngineAbilities = {
    languages: PARAKEET_LANGUAGES,
    translate: false,
    words: true,
    speakers: false,
    prompt: false,
    hotwords: false,
    deterministic: true,
    partSeconds: PART_SECONDS,
  }
  readonly #processes: LoadedProcesses<ParakeetModel, RecognizerProcess<ParakeetModel>>

  /** @throws {AppError} `engine_missing` when sherpa-onnx-node is not installed. */
  constructor(options: Options) {
    this.#processes = new LoadedProcesses(
      async (signal) => await locate(options, signal),
      () => new RecognizerProcess(scriptBeside(import.meta.url, 'child'), 'the engine parakeet'),
    )
  }

  async prepare(_slot: Slot, signal: AbortSignal): Promise<void> {
    await this.#processes.use(signal, async () => undefined)
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { wavPath, speech, options } = request
    const language = languageCode(options.language)
    if (language !== null && !PARAKEET_LANGUAGES.includes(language)) {
      throw new AppError(
        'unsupported_language',
        `The engine parakeet does not know '${options.language}', only ${PARAKEET_LANGUAGES.join(', ')}.`,
      )
    }
    return await this.#processes.use(request.signal, async (recognizer, signal) => {
      const segments = await recognizer.transcribe(wavPath, speech, signal, (seconds) =>
        request.onProgress(seconds),
      )
      return { language, segments, warnings: warningsFor(language) }
    })
  }

  async close(): Promise<void> {
    await this.#processes.close()
  }
}

/** It finds the language by itself, sentence by sentence, and cannot be held to one. */
function warningsFor(language: string | null): string[] {
  if (language === null || language === 'en') return []
  const name = new Intl.DisplayNames(['en'], { type: 'language' }).of(language) ?? language
  return [
    `The engine parakeet cannot be told that ${name} is spoken: some sentences may be in another language. Whisper (whisper-cpp, faster-whisper) can.`,
  ]
}

async function locate(
  { modelsDir, onPull, source, threads }: Options,
  signal: AbortSignal,
): Promise<ParakeetModel> {
  const model = await ensureModel(PARAKEET, { dir: modelsDir, signal, source, onProgress: onPull })
  const file = (name: string): string => path.join(model, name)
  return {
    files: {
      encoder: file('encoder.int8.onnx'),
      decoder: file('decoder.int8.onnx'),
      joiner: file('joiner.int8.onnx'),
      tokens: file('tokens.txt'),
    },
    threads: threads ?? Math.min(MOST_THREADS, availableParallelism()),
  }
}
