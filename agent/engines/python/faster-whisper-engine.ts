import { AppError } from '../../../shared/errors.ts'
import { WHISPER_WINDOWS, windowsOf, type Window } from '../../audio/windows.ts'
import type { Slot } from '../../gpu/slots.ts'
import { IDLE_MS } from '../../process/idle-timeout.ts'
import type { EngineSettings } from '../definition.ts'
import type {
  AudioPiece,
  CommandLine,
  Detected,
  Engine,
  EngineAbilities,
  EngineInfo,
  Recognised,
  SpeechOptions,
  TranscribeRequest,
} from '../engine.ts'
import { modelsFor } from '../model-name.ts'
import {
  MemoryFallback,
  placeOf,
  type ComputeConfig,
  type FallbackRequest,
} from '../out-of-memory.ts'
import { languageCode, whisperLanguage } from '../whisper/languages.ts'
import { batchSizeFor } from './batch-size.ts'
import { WorkerHangs, type WorkerRequest, type WorkerSegment } from './faster-whisper-worker.ts'
import { segmentsOf } from './output.ts'
import type { PythonSetup } from './plan.ts'
import { ResidentWorkers, type Load } from './resident-workers.ts'

/** Short parts, as nothing is loaded for them: less is lost with one. */
const PART_SECONDS = 600

export interface FasterWhisperParts {
  models: readonly string[]
  /** Runs a piece when its worker hangs twice or does not start: a process per piece. */
  cli: Engine
  /** How long a worker may print nothing, beside the length of the audio. */
  idleMs?: number
}

/** faster-whisper by a worker program of ours: one process per slot, its model kept loaded over jobs. */
export class FasterWhisperEngine implements Engine {
  readonly info: EngineInfo
  readonly abilities: EngineAbilities
  readonly #setup: PythonSetup
  readonly #cli: Engine
  readonly #models: readonly string[]
  readonly #idleMs: number
  readonly #workers: ResidentWorkers
  readonly #fallback: MemoryFallback
  readonly #batchSizeFor: (model: string) => number | null
  /** The worker's Python lacks faster_whisper. */
  #missing: AppError | null = null

  constructor(
    interpreter: string,
    setup: PythonSetup,
    { batchSize, computeType, onOutOfMemory, device: { freeMb = null } }: EngineSettings,
    { models, cli, idleMs = IDLE_MS }: FasterWhisperParts,
  ) {
    this.info = cli.info
    this.abilities = { ...cli.abilities, quickDetection: true, partSeconds: PART_SECONDS }
    this.#setup = setup
    this.#cli = cli
    this.#models = models
    this.#idleMs = idleMs
    this.#workers = new ResidentWorkers(interpreter)
    this.#batchSizeFor = (model) =>
      batchSize ?? (setup.gpu ? batchSizeFor(model, computeType, freeMb) : null)
    const device = setup.gpu ? 'gpu' : 'cpu'
    this.#fallback = new MemoryFallback(
      { batchSize, computeType, model: cli.info.model, device },
      { ...onOutOfMemory, models },
    )
  }

  async prepare(slot: Slot, signal: AbortSignal, model: string | null = null): Promise<void> {
    await this.#orByProgram(
      async () => {
        await this.#fallback.run(this.#usual(slot, model), async (compute) => {
          await this.#workers.prepare(placeOf(slot, compute), this.#load(compute), signal)
        })
      },
      () => this.#cli.prepare(slot, signal, model),
    )
  }

  async transcribe(request: TranscribeRequest): Promise<Recognised> {
    return await this.#orByProgram(
      () => this.#transcribe(request),
      async (why) => {
        const recognised = await this.#cli.transcribe(request)
        const warning = `${why.message} whisper-ctranslate2 was used in its place.`
        return { ...recognised, warnings: [...recognised.warnings, warning] }
      },
    )
  }

  readonly detect = async (
    pieces: readonly AudioPiece[],
    model: string | null = null,
    languages: readonly string[] | null = null,
  ): Promise<(Detected | null)[]> =>
    await this.#orByProgram(
      () => this.#detect(pieces, model, languages),
      async () => (await this.#cli.detect?.(pieces, model)) ?? [],
    )

  /** Does something by the worker; by the program where the worker hangs, or its Python lacks the module. */
  async #orByProgram<T>(
    byWorker: () => Promise<T>,
    byProgram: (why: AppError) => Promise<T>,
  ): Promise<T> {
    if (this.#missing !== null) return await byProgram(this.#missing)
    try {
      return await byWorker()
    } catch (error) {
      if (!(error instanceof AppError)) throw error
      if (error.code === 'engine_missing') this.#missing = error
      else if (!(error instanceof WorkerHangs)) throw error
      return await byProgram(error)
    }
  }

  async #transcribe(request: TranscribeRequest): Promise<Recognised> {
    const { slot, options, durationSeconds } = request
    const { model, language } = options
    const windows = await windowsOf(request.wavPath, request.speech, WHISPER_WINDOWS)
    const models = modelsFor(options.task, this.#models)
    const segments: WorkerSegment[] = []
    const { result, warnings } = await this.#fallback.run(
      { ...this.#usual(slot, model), models },
      async (compute) =>
        await this.#ask(request, compute, {
          request: transcription(request, windows, compute),
          onBegin: () => (segments.length = 0),
          onSegment(segment) {
            segments.push(segment)
            request.onProgress(Math.min(durationSeconds, Math.max(0, segment.end ?? 0)))
          },
        }),
    )
    const probability = language === null ? result.probability : null
    return {
      language: languageCode(result.language ?? ''),
      ...(typeof probability === 'number' ? { languageProbability: probability } : {}),
      segments: segmentsOf(segments, durationSeconds),
      warnings,
    }
  }

  async #detect(
    pieces: readonly AudioPiece[],
    model: string | null,
    choice: readonly string[] | null,
  ): Promise<(Detected | null)[]> {
    const [first] = pieces
    if (first === undefined) return []
    const wavs = pieces.map(({ wavPath }) => wavPath)
    const languages = choice?.map((one) => whisperLanguage(one) ?? one) ?? null
    const { result } = await this.#fallback.run(
      { ...this.#usual(first.slot, model), unbatched: true },
      async (compute) =>
        await this.#ask(first, compute, { request: { op: 'detect', wavs, languages } }),
    )
    return (result.languages ?? []).map((one) => {
      const language = one === null ? null : languageCode(one.language)
      return one === null || language === null ? null : { language, probability: one.probability }
    })
  }

  plans(options: SpeechOptions): CommandLine[] {
    return [this.#workers.plan(this.#load(this.#fallback.usual(options.model)))]
  }

  async close(): Promise<void> {
    this.#fallback.forget()
    this.#missing = null
    await Promise.all([this.#workers.close(), this.#cli.close()])
  }

  async #ask(
    { slot, signal, durationSeconds }: AudioPiece,
    compute: ComputeConfig,
    {
      request,
      ...listeners
    }: {
      request: WorkerRequest
      onBegin?: () => void
      onSegment?: (segment: WorkerSegment) => void
    },
  ) {
    return await this.#workers.ask(placeOf(slot, compute), this.#load(compute), request, {
      signal,
      idleMs: this.#idleMs + durationSeconds * 1000,
      ...listeners,
    })
  }

  #usual(slot: Slot, model: string | null): FallbackRequest {
    return { slot, model, batchSize: this.#batchSizeFor(model ?? this.info.model) }
  }

  #load({ model, device, computeType }: ComputeConfig): Load {
    const { models, threads, env } = this.#setup
    const folder = models.get(model) ?? null
    const onGpu = device === 'gpu'
    return {
      request: {
        op: 'load',
        model: folder ?? model,
        options: {
          device: onGpu ? 'cuda' : 'cpu',
          // On a GPU as the model was made. A CPU is several times as fast with int8.
          compute_type: computeType ?? (onGpu ? 'default' : 'int8'),
          cpu_threads: threads ?? 0,
        },
      },
      // Threads that wait for the next job without work leave the CPU to ffmpeg.
      env: {
        ...env,
        OMP_WAIT_POLICY: 'PASSIVE',
        ...(folder === null ? {} : { HF_HUB_OFFLINE: '1' }),
      },
    }
  }
}

/** What the worker is asked for a piece. */
export function transcription(
  { wavPath, options, again }: TranscribeRequest,
  windows: readonly Window[],
  { batchSize, model }: Pick<ComputeConfig, 'batchSize' | 'model'>,
): WorkerRequest {
  // English-only models take no other language, and detect none.
  const language = model.endsWith('.en') ? 'en' : options.language
  // Batches skip every check of the text: a second try goes without, and begins less sure of itself.
  const batch = batchSize === null || batchSize < 2 || again ? null : batchSize
  return {
    op: 'transcribe',
    wav: wavPath,
    windows: windows.map(({ audio }) => [audio.start, audio.end]),
    language: language === null ? null : (whisperLanguage(language) ?? language),
    batch,
    options: {
      task: options.task,
      word_timestamps: options.words,
      condition_on_previous_text: false,
      vad_filter: false,
      initial_prompt: again ? null : options.prompt,
      hotwords: again ? null : options.hotwords,
      ...(again && { temperature: [0.2, 0.4, 0.6] }),
      ...(batch === null && options.words && { hallucination_silence_threshold: 2 }),
    },
  }
}
