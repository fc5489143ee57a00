import { access, constants } from 'node:fs/promises'
import { AppError, messageOf } from '../../../shared/errors.ts'
import type { Span } from '../../../shared/span.ts'
import { WavReader } from '../../audio/wav.ts'
import { WHISPER_WINDOWS, windowsOf, type Window } from '../../audio/windows.ts'
import type { SpeechOptions } from '../engine.ts'
import { deviceFor, type WantedDevice } from './device.ts'
import { failureOf } from './failure.ts'
import { languageOf } from './languages.ts'
import { missedSpeech } from './missed.ts'
import type {
  BackendDevice,
  LibraryResult,
  LibrarySession,
  LoadedModel,
  RunOptions,
  SpeakerSegment,
  TranscribeCpp,
} from './library.ts'

export interface LoadRequest {
  /** Of the library's module. */
  library: string
  file: string
  device: WantedDevice
  threads: number | null
}

export interface RunRequest {
  wavPath: string
  /** In seconds of the file. */
  speech: readonly Span[]
  options: Pick<SpeechOptions, 'language' | 'task' | 'words'>
  /** For models that take one. */
  prompt: string | null
  again: boolean
  /** Windows at once; null: one after the other. */
  batchSize: number | null
}

export interface WindowResult {
  window: Window
  result: LibraryResult
}

export interface RunAnswer {
  results: WindowResult[]
  /** The language that the model writes, or its only language; null: it detects it, and `results` say what it found. */
  language: string | null
  /** The model detects no language and none was named: it took this one. */
  assumed: boolean
  /** Times that the model gives. */
  times: 'none' | 'segments' | 'words'
}

const SAMPLE_RATE = 16_000
/** The shortest audio that models take. */
const LEAST_SAMPLES = SAMPLE_RATE / 10
/** Read from a file at once. */
const BLOCK = SAMPLE_RATE * 60
/** At a temperature above 0 the same lots are drawn each time. */
const SEED = 1
/** Levels of the library's log: 2 is a warning, 3 an error. */
const ERROR = 3

/**
 * @param onError called with each error of the library's log.
 * @throws {AppError} `engine_missing` when it cannot be loaded here.
 */
export async function loadLibrary(
  url: string,
  onError: (line: string) => void = () => undefined,
): Promise<TranscribeCpp> {
  try {
    const library = (await import(url)) as TranscribeCpp
    library.setLogHandler((level, message) => {
      if (level === ERROR) onError(message.trim())
    })
    library.getAvailableBackends()
    return library
  } catch (error) {
    throw new AppError('engine_missing', `the library cannot be loaded here: ${messageOf(error)}`)
  }
}

/** A loaded model. The library can end the process: use this in a child only. */
export class Recognizer {
  readonly #model: LoadedModel
  readonly #threads: number | null
  /** The library's errors since the request began. */
  readonly #log: string[]

  private constructor(model: LoadedModel, threads: number | null, log: string[]) {
    this.#model = model
    this.#threads = threads
    this.#log = log
  }

  /** @throws {AppError} `engine_missing`, `model_missing`, `gpu_out_of_memory`, `engine_failed`. */
  static async load({ library, file, device, threads }: LoadRequest): Promise<Recognizer> {
    const log: string[] = []
    const { TranscribeModel, getAvailableBackends } = await loadLibrary(library, (line) =>
      log.push(line),
    )
    await access(file, constants.R_OK).catch((error: unknown) => {
      throw new AppError('model_missing', `its file '${file}' cannot be read`, { cause: error })
    })
    const chosen = deviceFor(device, getAvailableBackends())
    try {
      const model = await TranscribeModel.load(
        file,
        chosen === null ? { backend: 'cpu' } : { device: chosen },
      )
      return new Recognizer(model, threads, log)
    } catch (error) {
      throw failureOf(error, { onGpu: chosen !== null, log })
    }
  }

  get device(): BackendDevice {
    return this.#model.device
  }

  /** @throws {AppError} `gpu_out_of_memory`, `unsupported_language`, `invalid_media`, `engine_failed`. */
  async transcribe(
    { wavPath, speech, options, prompt, again, batchSize }: RunRequest,
    onProgress: (seconds: number) => void,
  ): Promise<RunAnswer> {
    const { capabilities } = this.#model
    const { maxTimestampKind: most } = capabilities
    const { language, assumed } = languageOf(options.language, capabilities)
    const hasWords = most === 'word' || most === 'token'
    const run: RunOptions = {
      task: options.task,
      timestamps: most === 'none' ? 'none' : options.words && hasWords ? 'word' : 'segment',
      ...(language === null ? {} : { language }),
      ...(options.task === 'translate' ? { targetLanguage: 'en' } : {}),
      ...this.#family(prompt, again),
    }
    const results: WindowResult[] = []
    await this.#withSession(wavPath, async (session, reader) => {
      const windows = await windowsOf(wavPath, speech, WHISPER_WINDOWS)
      for await (const one of inBatches(session, reader, windows, batchSize ?? 1, run)) {
        results.push(one)
        onProgress(one.window.audio.end)
      }
      const missed: Window[] = []
      for (const stretch of results.flatMap(missedSpeech)) {
        missed.push(...(await windowsOf(wavPath, stretch, WHISPER_WINDOWS)))
      }
      for await (const one of inBatches(session, reader, missed, batchSize ?? 1, run)) {
        results.push(one)
      }
    })
    const times = run.timestamps === 'none' ? 'none' : hasWords ? 'words' : 'segments'
    return { results, language, assumed, times }
  }

  /** The language of each file; null where the model says none. @throws {AppError} as `transcribe`. */
  async detect(wavPaths: readonly string[]): Promise<(string | null)[]> {
    if (!this.#model.capabilities.supportsLanguageDetect) return wavPaths.map(() => null)
    const languages: (string | null)[] = []
    for (const wavPath of wavPaths) {
      await this.#withSession(wavPath, async (session, reader) => {
        const samples = await samplesOf(reader, { start: 0, end: reader.header.durationSeconds })
        const [result] = await runAll(session, [samples], {
          task: 'transcribe',
          timestamps: 'none',
          ...this.#family(null, false),
        })
        languages.push(result!.language || null)
      })
    }
    return languages
  }

  /**
   * Who speaks when, of a model that tells speakers apart. Holds the whole recording.
   * @throws {AppError} `model_missing` for a model that does not; as `transcribe`.
   */
  async speakers(wavPath: string): Promise<SpeakerSegment[]> {
    if (!this.#model.accepts({ kind: 'sortformer' })) {
      throw new AppError('model_missing', 'its model is no Sortformer')
    }
    let found: SpeakerSegment[] = []
    await this.#withSession(wavPath, async (session, reader) => {
      const samples = new Float32Array(Math.max(LEAST_SAMPLES, reader.header.samples))
      let at = 0
      for await (const block of reader.blocks(BLOCK)) {
        samples.set(block, at)
        at += block.length
      }
      const { speakerSegments } = await session.run(samples, {
        task: 'transcribe',
        timestamps: 'none',
        family: { kind: 'sortformer', preset: 'very_high_latency' },
      })
      found = speakerSegments.map(({ t0Ms, t1Ms, speakerId }) => ({ t0Ms, t1Ms, speakerId }))
    })
    return found
  }

  #family(prompt: string | null, again: boolean): Pick<RunOptions, 'family'> {
    if (!this.#model.accepts({ kind: 'whisper' })) return {}
    return {
      family: {
        kind: 'whisper',
        seed: SEED,
        ...(again ? { temperature: 0.2 } : {}),
        ...(prompt === null ? {} : { initialPrompt: prompt }),
      },
    }
  }

  /** A session's buffers only grow: each request has its own. */
  async #withSession(
    wavPath: string,
    work: (session: LibrarySession, reader: WavReader) => Promise<void>,
  ): Promise<void> {
    this.#log.length = 0
    const reader = await WavReader.open(wavPath)
    let session: LibrarySession | null = null
    try {
      session = this.#model.createSession(this.#threads === null ? {} : { nThreads: this.#threads })
      await work(session, reader)
    } catch (error) {
      const onGpu = this.#model.device.deviceType !== 'cpu'
      throw failureOf(error, { onGpu, log: this.#log })
    } finally {
      session?.dispose()
      await reader.close()
    }
  }
}

async function* inBatches(
  session: LibrarySession,
  reader: WavReader,
  windows: readonly Window[],
  size: number,
  options: RunOptions,
): AsyncGenerator<WindowResult> {
  for (let from = 0; from < windows.length; from += size) {
    const some = windows.slice(from, from + size)
    const samples: Float32Array[] = []
    for (const { audio } of some) samples.push(await samplesOf(reader, audio))
    const batch = await runAll(session, samples, options)
    for (const [i, result] of batch.entries()) yield { window: some[i]!, result }
  }
}

async function runAll(
  session: LibrarySession,
  samples: Float32Array[],
  options: RunOptions,
): Promise<LibraryResult[]> {
  if (samples.length === 1) return [await session.run(samples[0]!, options)]
  return (await session.runBatch(samples, options)).map((item) => {
    if (!item.ok) throw item.error
    return item.result
  })
}

/** Padded with silence where it is too short for a model. */
async function samplesOf(reader: WavReader, { start, end }: Span): Promise<Float32Array> {
  const samples = await reader.read(Math.round(start * SAMPLE_RATE), Math.round(end * SAMPLE_RATE))
  if (samples.length >= LEAST_SAMPLES) return samples
  const padded = new Float32Array(LEAST_SAMPLES)
  padded.set(samples)
  return padded
}
