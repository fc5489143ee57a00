import { createRequire } from 'node:module'
import { AppError, messageOf } from '../../shared/errors.ts'
import type { Segment } from '../../shared/transcript.ts'
import { WavReader } from '../wav.ts'
import { chunkLimits, Chunker, quietest, type Chunk } from './speech-chunks.ts'

/** Where the model's files are. */
export interface MoonshineFiles {
  encoder: string
  decoder: string
  tokens: string
  vad: string
}

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
    isDetected(): boolean
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
/** The detector copies the speech it is in at every step: a minute of it is slow, ten are slower than real time. */
const MAX_SPEAKING = 30 * SAMPLE_RATE
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

/** Moonshine with the Silero detector before it. The native library can end the process: this belongs in a child. */
export class MoonshineRecognizer {
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
        if (chunk !== null) {
          for await (const { segment, end } of this.#recognise(reader, chunk)) {
            if (segment !== null) segments.push(segment)
            onProgress(Math.min(end, samples) / SAMPLE_RATE)
          }
        }
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
    let cutAt = -1
    const found = function* (cut = false): Generator<Chunk> {
      for (; !vad.isEmpty(); vad.pop()) {
        const { start, samples } = vad.front(false)
        const end = start + samples.length
        const chunk = chunker.push({ start, end }, start === cutAt)
        if (cut) cutAt = end
        if (chunk !== null) yield chunk
      }
    }
    let read = 0
    let speaking = 0
    for await (const block of reader.blocks(BLOCK)) {
      for (let at = 0; at < block.length; at += WINDOW) {
        vad.acceptWaveform(window(block, at))
        speaking = vad.isDetected() ? speaking + WINDOW : 0
        const cut = speaking >= MAX_SPEAKING
        if (cut) {
          vad.flush()
          speaking = 0
        }
        for (const chunk of found(cut)) yield { chunk, position: chunk.audio.end }
      }
      read += block.length
      yield { chunk: null, position: chunker.openStart ?? read }
    }
    vad.flush()
    for (const chunk of found()) yield { chunk, position: chunk.audio.end }
    yield { chunk: chunker.flush(reader.header.samples), position: reader.header.samples }
  }

  /** What is said in a chunk, in one piece, or in several when it is too long for the model, each up to `end`. */
  async *#recognise(
    reader: WavReader,
    { speech, audio }: Chunk,
  ): AsyncGenerator<{ segment: Segment | null; end: number }> {
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
      yield { segment: text !== '' && end > start ? { start, end, text } : null, end: to }
      from = to
    }
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
