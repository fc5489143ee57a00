import { createRequire } from 'node:module'
import { AppError, messageOf } from '../../../shared/errors.ts'
import type { Segment } from '../../../shared/transcript.ts'
import { lengthOf, type Span } from '../../audio/span.ts'
import { WavReader } from '../../audio/wav.ts'
import { disagreement, playedAt, SPEEDS, type Disagreement, type Doubt } from './second-pass.ts'
import { chunkLimits, Chunker, quietest, type Chunk } from './chunks.ts'

export interface MoonshineFiles {
  encoder: string
  decoder: string
  tokens: string
}

/** The part of sherpa-onnx-node used here; it has no types. */
interface Sherpa {
  OfflineRecognizer: new (config: object) => {
    createStream(): OfflineStream
    decode(stream: OfflineStream): void
    getResult(stream: OfflineStream): { text: string }
  }
}

interface OfflineStream {
  acceptWaveform(wave: { samples: Float32Array; sampleRate: number }): void
}

const SAMPLE_RATE = 16_000
const MIN_SAMPLES = SAMPLE_RATE / 10
/** More threads wait for each other by spinning: twice the CPU time at the same speed. */
const THREADS = 1
/** The most of a piece for the second pass; slowed down it is still short enough for the model. */
const SAMPLE = 15 * SAMPLE_RATE
const SAMPLE_ELSEWHERE = 10 * SAMPLE_RATE
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

/** The native library can end the process: use this in a child only. */
export class MoonshineRecognizer {
  readonly #recognizer: InstanceType<Sherpa['OfflineRecognizer']>

  constructor(files: MoonshineFiles) {
    const sherpa = loadSherpa()
    this.#recognizer = new sherpa.OfflineRecognizer({
      featConfig: { sampleRate: SAMPLE_RATE, featureDim: 80 },
      modelConfig: {
        moonshine: { encoder: files.encoder, mergedDecoder: files.decoder },
        tokens: files.tokens,
        numThreads: THREADS,
        provider: 'cpu',
        debug: 0,
      },
    })
  }

  /**
   * How far the text differs when the longest stretches, and the one farthest from the longest, are played slower and
   * faster. Speech in another language comes out as English words too, but as others each time.
   */
  async doubt(wavPath: string, speech: readonly Span[]): Promise<Doubt> {
    const reader = await WavReader.open(wavPath)
    try {
      const chunks = [...chunksOf(speech, reader.header.samples)].map(({ audio }) => audio)
      const longest = chunks.toSorted((a, b) => lengthOf(b) - lengthOf(a))
      const far = farthest(longest.slice(1), longest[0])
      const sum = { words: 0, differing: 0 }
      let left = SAMPLE
      for (const audio of longest.filter((one) => one !== far)) {
        if (left <= 0) break
        left -= await this.#secondPass(reader, audio, SAMPLE, sum)
      }
      if (far === null) return sum
      const elsewhere = { words: 0, differing: 0 }
      await this.#secondPass(reader, far, SAMPLE_ELSEWHERE, elsewhere)
      return { ...sum, elsewhere }
    } finally {
      await reader.close()
    }
  }

  /** Adds the disagreement at the beginning of a stretch to `sum`. @returns the samples used. */
  async #secondPass(
    reader: WavReader,
    { start, end }: Span,
    most: number,
    sum: Disagreement,
  ): Promise<number> {
    const samples = await reader.read(start, Math.min(end, start + most))
    const text = this.#textOf(samples)
    for (const speed of SPEEDS) {
      const again = this.#textOf(playedAt(speed, samples))
      const { words, differing } = disagreement([text, again], samples.length / SAMPLE_RATE)
      sum.words += words / SPEEDS.length
      sum.differing += differing / SPEEDS.length
    }
    return samples.length
  }

  /** Transcribes the speech of a 16 kHz mono WAV file, in seconds. Holds at most half a minute in memory. */
  async transcribe(
    wavPath: string,
    speech: readonly Span[],
    onProgress: (seconds: number) => void,
  ): Promise<Segment[]> {
    const reader = await WavReader.open(wavPath)
    try {
      const { samples, durationSeconds } = reader.header
      const segments: Segment[] = []
      for (const chunk of chunksOf(speech, samples)) {
        for await (const { segment, end } of this.#recognise(reader, chunk)) {
          if (segment !== null) segments.push(segment)
          onProgress(Math.min(end, samples) / SAMPLE_RATE)
        }
      }
      onProgress(durationSeconds)
      return segments
    } finally {
      await reader.close()
    }
  }

  /** The segments of a chunk; several when it is too long for the model. */
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
}

function farthest(stretches: readonly Span[], from: Span | undefined): Span | null {
  const away = ({ start }: Span): number => Math.abs(start - (from?.start ?? 0))
  return stretches.toSorted((a, b) => away(b) - away(a))[0] ?? null
}

/** In samples. Spans that touch are one stretch, cut for want of a pause. */
function* chunksOf(speech: readonly Span[], total: number): Generator<Chunk> {
  const chunker = new Chunker(LIMITS)
  let reached = -1
  for (const { start, end } of speech) {
    const span = { start: Math.round(start * SAMPLE_RATE), end: Math.round(end * SAMPLE_RATE) }
    const chunk = chunker.push(span, span.start === reached)
    reached = span.end
    if (chunk !== null) yield chunk
  }
  const last = chunker.flush(total)
  if (last !== null) yield last
}

function seconds(samples: number): number {
  return Math.round((samples / SAMPLE_RATE) * 1000) / 1000
}
