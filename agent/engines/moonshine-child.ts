/**
 * The process in which Moonshine runs: a native library that a damaged model or file can end with it, and only it. Its
 * parent talks to it by IPC (`ToChild`, `FromChild`); when the parent is gone, so is this.
 */
import { access, constants } from 'node:fs/promises'
import { createRequire } from 'node:module'
import type { Segment } from '../../shared/transcript.ts'
import { AppError, messageOf, type ErrorCode } from '../../shared/errors.ts'
import { WavReader } from '../wav.ts'
import { chunkLimits, Chunker, quietest, type Chunk } from './speech-chunks.ts'

/** Where the model's files are. */
export interface MoonshineFiles {
  encoder: string
  decoder: string
  tokens: string
  vad: string
}

export type ToChild =
  | { type: 'load'; files: MoonshineFiles }
  | { type: 'transcribe'; wavPath: string }

export type FromChild =
  | { type: 'ready' }
  | { type: 'progress'; seconds: number }
  | { type: 'done'; segments: Segment[]; durationSeconds: number }
  | { type: 'failed'; code: ErrorCode; message: string }

/** What we use of sherpa-onnx-node, which has no types of its own. */
interface Sherpa {
  OfflineRecognizer: new (config: object) => {
    createStream(): OfflineStream
    decode(stream: OfflineStream): void
    getResult(stream: OfflineStream): { text: string }
  }
  Vad: new (
    config: object,
    bufferSeconds: number,
  ) => {
    acceptWaveform(samples: Float32Array): void
    isEmpty(): boolean
    front(external: boolean): { start: number; samples: Float32Array }
    pop(): void
    flush(): void
  }
}

interface OfflineStream {
  acceptWaveform(wave: { samples: Float32Array; sampleRate: number }): void
}

const SAMPLE_RATE = 16_000
/** What Silero looks at in one step. */
const WINDOW = 512
/** Read from the file at once: about ten seconds. */
const BLOCK = WINDOW * 313
/** Shorter than this, the model fails. */
const MIN_SAMPLES = SAMPLE_RATE / 10
/** More threads wait for each other by spinning: twice the CPU time for the same speed, and nothing left for others. */
const THREADS = 1
const LIMITS = chunkLimits(SAMPLE_RATE)
const MAX_PIECE = LIMITS.maxLength + 2 * LIMITS.pad

/** @throws {AppError} `engine_missing` when sherpa-onnx-node, or its part for this platform, is not installed. */
function loadSherpa(): Sherpa {
  try {
    return createRequire(import.meta.url)('sherpa-onnx-node') as Sherpa
  } catch (error) {
    throw new AppError('engine_missing', `sherpa-onnx-node cannot be loaded: ${messageOf(error)}`)
  }
}

class Moonshine {
  readonly #sherpa = loadSherpa()
  readonly #recognizer: InstanceType<Sherpa['OfflineRecognizer']>
  readonly #vadModel: string

  constructor(files: MoonshineFiles) {
    this.#recognizer = new this.#sherpa.OfflineRecognizer({
      featConfig: { sampleRate: SAMPLE_RATE, featureDim: 80 },
      modelConfig: {
        moonshine: { encoder: files.encoder, mergedDecoder: files.decoder },
        tokens: files.tokens,
        numThreads: THREADS,
        provider: 'cpu',
        debug: 0,
      },
    })
    this.#vadModel = files.vad
    // One that cannot be made is better known now than in the first job.
    this.#newVad()
  }

  /** The speech in a 16 kHz mono WAV file. Holds a minute or so of it in memory, however long it is. */
  async transcribe(
    wavPath: string,
    onProgress: (seconds: number) => void,
  ): Promise<{ segments: Segment[]; durationSeconds: number }> {
    const reader = await WavReader.open(wavPath)
    try {
      const { samples, durationSeconds } = reader.header
      const segments: Segment[] = []
      for await (const { chunk, position } of this.#chunks(reader)) {
        if (chunk !== null) segments.push(...(await this.#recognise(reader, chunk)))
        onProgress(Math.min(position, samples) / SAMPLE_RATE)
      }
      return { segments, durationSeconds }
    } finally {
      await reader.close()
    }
  }

  /** Chunks of speech as they are found; now and then none, only how far it has come. */
  async *#chunks(reader: WavReader): AsyncGenerator<{ chunk: Chunk | null; position: number }> {
    const vad = this.#newVad()
    const chunker = new Chunker(LIMITS)
    const found = function* (): Generator<Chunk> {
      for (; !vad.isEmpty(); vad.pop()) {
        const { start, samples } = vad.front(false)
        const chunk = chunker.push({ start, end: start + samples.length })
        if (chunk !== null) yield chunk
      }
    }
    let read = 0
    for await (const block of reader.blocks(BLOCK)) {
      for (let at = 0; at < block.length; at += WINDOW) {
        vad.acceptWaveform(window(block, at))
        for (const chunk of found()) yield { chunk, position: chunk.audio.end }
      }
      read += block.length
      yield { chunk: null, position: chunker.openStart ?? read }
    }
    vad.flush()
    for (const chunk of found()) yield { chunk, position: chunk.audio.end }
    yield { chunk: chunker.flush(reader.header.samples), position: reader.header.samples }
  }

  /** One segment of a chunk; several when it is too long for the model. Times are those of the speech in it. */
  async #recognise(reader: WavReader, { speech, audio }: Chunk): Promise<Segment[]> {
    const segments: Segment[] = []
    for (let from = audio.start; from < audio.end;) {
      let samples = await reader.read(from, Math.min(audio.end, from + MAX_PIECE))
      if (samples.length === 0) break
      if (from + samples.length < audio.end) {
        const cut = quietest(samples, Math.floor((MAX_PIECE * 2) / 3), MAX_PIECE, SAMPLE_RATE)
        samples = samples.subarray(0, cut)
      }
      const to = from + samples.length
      const text = this.#textOf(samples)
      const start = seconds(Math.max(from, speech.start))
      const end = seconds(Math.min(to, speech.end))
      if (text !== '' && end > start) segments.push({ start, end, text })
      from = to
    }
    return segments
  }

  #textOf(samples: Float32Array): string {
    if (samples.length < MIN_SAMPLES) return ''
    const stream = this.#recognizer.createStream()
    stream.acceptWaveform({ samples, sampleRate: SAMPLE_RATE })
    this.#recognizer.decode(stream)
    return this.#recognizer.getResult(stream).text.trim()
  }

  /** A detector that has heard nothing yet. */
  #newVad(): InstanceType<Sherpa['Vad']> {
    const sileroVad = {
      model: this.#vadModel,
      threshold: 0.5,
      minSilenceDuration: 0.25,
      minSpeechDuration: 0.25,
      windowSize: WINDOW,
      maxSpeechDuration: 20,
    }
    return new this.#sherpa.Vad(
      { sileroVad, sampleRate: SAMPLE_RATE, numThreads: THREADS, debug: 0 },
      60,
    )
  }
}

/** The samples from `at` on that the detector looks at in one step, with silence after the last one. */
function window(block: Float32Array, at: number): Float32Array {
  const samples = block.subarray(at, at + WINDOW)
  if (samples.length === WINDOW) return samples
  const padded = new Float32Array(WINDOW)
  padded.set(samples)
  return padded
}

function seconds(samples: number): number {
  return Math.round((samples / SAMPLE_RATE) * 1000) / 1000
}

/** The library takes a missing file for a detector that hears nothing, and says so to nobody. */
async function checkFiles(files: MoonshineFiles): Promise<void> {
  for (const file of Object.values(files) as string[]) {
    await access(file, constants.R_OK).catch((error: unknown) => {
      throw new AppError('model_missing', `its file '${file}' cannot be read`, { cause: error })
    })
  }
}

let moonshine: Moonshine | null = null

function send(message: FromChild): void {
  process.send?.(message)
}

async function answer(message: ToChild): Promise<void> {
  try {
    if (message.type === 'load') {
      await checkFiles(message.files)
      moonshine = new Moonshine(message.files)
      send({ type: 'ready' })
      return
    }
    if (moonshine === null) throw new Error('no model was loaded')
    const progress = (at: number): void => send({ type: 'progress', seconds: at })
    send({ type: 'done', ...(await moonshine.transcribe(message.wavPath, progress)) })
  } catch (error) {
    const code = error instanceof AppError ? error.code : 'engine_failed'
    send({ type: 'failed', code, message: messageOf(error) })
  }
}

process.on('message', (message) => void answer(message as ToChild))
process.on('disconnect', () => process.exit())
if (!process.connected) process.exit()
