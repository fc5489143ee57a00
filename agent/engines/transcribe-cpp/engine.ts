import { existsSync } from 'node:fs'
import { AppError } from '../../../shared/errors.ts'
import { pciAddress } from '../../gpu/pci-address.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import { ensureModel } from '../../models/models.ts'
import { ChildCrash } from '../../process/forked-child.ts'
import { IDLE_MS } from '../../process/idle-timeout.ts'
import { whileQuiet } from '../../progress/expected-silence.ts'
import { unlessAborted } from '../closing.ts'
import type { EngineSettings } from '../definition.ts'
import type {
  AudioPiece,
  Detected,
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  TranscribeRequest,
} from '../engine.ts'
import { modelsFor } from '../model-name.ts'
import { MemoryFallback, placeOf, type ComputeConfig } from '../out-of-memory.ts'
import { Residents } from '../residents.ts'
import { languageCode } from '../whisper/languages.ts'
import { promptOf } from '../whisper-cpp/options.ts'
import { libraryEnv } from './environment.ts'
import type { Library } from './library.ts'
import { abilitiesOf, fileOf, isKnown, isPath } from './model-file.ts'
import { TranscribeCppProcess } from './process.ts'
import type { LoadRequest } from './recognizer.ts'
import { recognisedOf } from './result.ts'

/** Longer parts have crashed the library on GPUs of 6 GB. */
const PART_SECONDS = 240
/** The usual batch on a GPU; the out-of-memory fallback halves it. */
const GPU_BATCH = 8

const NO_GPU = 'transcribe-cpp found no GPU that it can use: it ran on the CPU.'

/** transcribe.cpp by its npm package: one process per slot, its model kept loaded over jobs. */
export class TranscribeCppEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #library: Library
  readonly #settings: EngineSettings
  readonly #models: readonly string[]
  readonly #processes = new Residents<TranscribeCppProcess>()
  readonly #fallback: MemoryFallback

  /** @param models what jobs and the out-of-memory fallback may choose from. */
  constructor(
    library: Library,
    settings: EngineSettings,
    info: EngineInfo,
    models: readonly string[],
  ) {
    this.#library = library
    this.#settings = settings
    this.#models = models
    this.info = info
    this.abilities = abilitiesOf(info.model, PART_SECONDS)
    const onGpu = settings.device.kind !== 'cpu'
    this.#fallback = new MemoryFallback(
      {
        batchSize: settings.batchSize ?? (onGpu ? GPU_BATCH : null),
        computeType: null,
        model: info.model,
        device: onGpu ? 'gpu' : 'cpu',
      },
      { ...settings.onOutOfMemory, models, computeTypes: false },
    )
  }

  async prepare(slot: Slot, signal: AbortSignal, model: string | null = null): Promise<void> {
    const stopped = AbortSignal.any([signal, this.#processes.closing])
    await this.#run({ slot, model }, stopped, async () => undefined)
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { slot, options, again, durationSeconds, wavPath, speech } = request
    const { language, task, words, model } = options
    const signal = AbortSignal.any([request.signal, this.#processes.closing])
    const { result, warnings } = await this.#run(
      { slot, model, models: modelsFor(task, this.#models) },
      signal,
      async (process, { batchSize }) =>
        await process.transcribe(
          {
            wavPath,
            speech,
            options: { language, task, words },
            prompt: promptOf(options, again)?.text ?? null,
            again,
            batchSize,
          },
          {
            signal,
            idleMs: IDLE_MS + durationSeconds * 1000,
            onProgress: (seconds) => request.onProgress(Math.min(durationSeconds, seconds)),
          },
        ),
    )
    const recognised = recognisedOf(result, request)
    return { ...recognised, warnings: [...warnings, ...recognised.warnings] }
  }

  readonly detect = async (
    pieces: readonly AudioPiece[],
    model: string | null = null,
  ): Promise<(Detected | null)[]> => {
    const [first] = pieces
    if (first === undefined) return []
    const signal = AbortSignal.any([first.signal, this.#processes.closing])
    const { result } = await this.#run(
      { slot: first.slot, model, unbatched: true },
      signal,
      async (process) =>
        await process.detect(
          pieces.map(({ wavPath }) => wavPath),
          { signal, idleMs: IDLE_MS },
        ),
    )
    return result.map((code) => {
      const language = languageCode(code ?? '')
      return language === null ? null : { language, probability: null }
    })
  }

  async close(): Promise<void> {
    this.#fallback.forget()
    await this.#processes.close()
  }

  /**
   * Works with a loaded model, with less and less until it fits into the GPU's memory. A process that crashes is replaced
   * once, on the CPU: most crashes are the GPU's.
   */
  async #run<T>(
    place: Parameters<MemoryFallback['run']>[0],
    signal: AbortSignal,
    work: (process: TranscribeCppProcess, compute: ComputeConfig) => Promise<T>,
  ): Promise<{ result: T; warnings: string[] }> {
    const notes = new Set<string>()
    const attempt = async (compute: ComputeConfig): Promise<T> => {
      const process = await this.#at(placeOf(place.slot, compute), compute.model, signal)
      if (process.missesGpu) notes.add(NO_GPU)
      return await work(process, compute)
    }
    const { result, warnings } = await this.#fallback.run(place, async (compute) => {
      try {
        return await attempt(compute)
      } catch (error) {
        if (!(error instanceof ChildCrash) || signal.aborted) throw error
        const where = compute.device === 'gpu' ? ' on the CPU' : ''
        notes.add(`${error.message} It was started again${where} for this part.`)
        return await attempt({ ...compute, batchSize: null, device: 'cpu' })
      }
    })
    return { result, warnings: [...warnings, ...notes] }
  }

  async #at(place: Slot, model: string, signal: AbortSignal): Promise<TranscribeCppProcess> {
    const start = async (until: AbortSignal): Promise<TranscribeCppProcess> => {
      const file = await this.#fileOf(model, until)
      const pci = await pciAddress(place, until)
      const process = new TranscribeCppProcess(libraryEnv(slotEnv(place)))
      const nth = Number(place.gpu) || 0
      const request: LoadRequest = {
        library: this.#library.url,
        file,
        device: place.gpu === null ? { kind: 'cpu' } : { kind: 'gpu', pci, nth },
        threads: this.#settings.threads,
      }
      await process.load(request, { signal: until, idleMs: IDLE_MS })
      return process
    }
    return await this.#processes.at(place.index, JSON.stringify([model, place]), start, signal)
  }

  /** A model's file, fetched when missing. @throws {AppError} `model_missing` */
  async #fileOf(model: string, signal: AbortSignal): Promise<string> {
    const { modelsDir, source, onPull } = this.#settings
    const file = fileOf(modelsDir, model)
    if (existsSync(file)) return file
    if (isPath(model) || !isKnown(model)) {
      throw new AppError('model_missing', `The engine transcribe-cpp has no model '${model}'.`)
    }
    const { closing } = this.#processes
    const options = { dir: modelsDir, signal: closing, source, onProgress: onPull }
    return await whileQuiet(unlessAborted(ensureModel(`gguf/${model}`, options), signal))
  }
}
