import type { Segment } from '../../../shared/transcript.ts'
import { loadSherpa, type SherpaRecognizer } from '../../audio/sherpa.ts'
import { lengthOf, roundToMs, type Span } from '../../../shared/span.ts'
import { WavReader } from '../../audio/wav.ts'
import { disagreement, playedAt, SPEEDS, type Disagreement, type Doubt } from './second-pass.ts'
import { audioOf, chunksOf, SAMPLE_RATE } from '../sherpa/chunk-audio.ts'
import { chunkLimits } from '../sherpa/chunks.ts'

export interface MoonshineFiles {
  encoder: string
  decoder: string
  tokens: string
}

const MIN_SAMPLES = SAMPLE_RATE / 10
/** More threads wait for each other by spinning: twice the CPU time at the same speed. */
const THREADS = 1
/** The most of a piece for the second pass; slowed down it is still short enough for the model. */
const SAMPLE = 15 * SAMPLE_RATE
const SAMPLE_ELSEWHERE = 10 * SAMPLE_RATE
/** In seconds. It repeats itself without end on long pieces, and loses words on very short ones. */
const LIMITS = chunkLimits({ mergeGap: 1.2, maxLength: 24, pad: 0.15 }, SAMPLE_RATE)

/** The native library can end the process: use this in a child only. */
export class MoonshineRecognizer {
  readonly #recognizer: SherpaRecognizer

  constructor(files: MoonshineFiles) {
    const { OfflineRecognizer } = loadSherpa()
    this.#recognizer = new OfflineRecognizer({
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
      const chunks = [...chunksOf(speech, reader.header.samples, LIMITS)].map(({ audio }) => audio)
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
      for (const chunk of chunksOf(speech, samples, LIMITS)) {
        for await (const { samples: audio, audio: at, speech: said } of audioOf(
          reader,
          chunk,
          LIMITS,
        )) {
          const text = this.#textOf(audio)
          const [start, end] = [
            roundToMs(said.start / SAMPLE_RATE),
            roundToMs(said.end / SAMPLE_RATE),
          ]
          if (text !== '' && end > start) segments.push({ start, end, text })
          onProgress(Math.min(at.end, samples) / SAMPLE_RATE)
        }
      }
      onProgress(durationSeconds)
      return segments
    } finally {
      await reader.close()
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
