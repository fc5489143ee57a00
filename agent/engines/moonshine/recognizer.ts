import type { SherpaResult } from '../../audio/sherpa.ts'
import { lengthOf, roundToMs } from '../../../shared/span.ts'
import type { WavReader } from '../../audio/wav.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { SAMPLE_RATE, type ChunkAudio } from '../sherpa/chunk-audio.ts'
import {
  ChunkRecognizer,
  textOf,
  type SherpaModel,
  type Stretch,
} from '../sherpa/chunk-recognizer.ts'
import { withMarks } from './marks.ts'
import { disagreement, playedAt, SPEEDS, type Disagreement, type Doubt } from './second-pass.ts'

/** The most of a piece for the second pass; slowed down it is still short enough for the model. */
const SAMPLE = 15 * SAMPLE_RATE
const SAMPLE_ELSEWHERE = 10 * SAMPLE_RATE
/** The other readings of a stretch without punctuation: with less around it, with more, slower, faster. */
const TRIM = 0.15 * SAMPLE_RATE
const SILENCE = 0.5 * SAMPLE_RATE
const NEAR_SPEEDS = [0.97, 1.07]
/** In seconds. It repeats itself without end on long pieces, and loses words on very short ones. */
const LIMITS = { mergeGap: 1.2, maxLength: 24, pad: 0.15 }

export class MoonshineRecognizer extends ChunkRecognizer {
  constructor(model: SherpaModel) {
    const { tokens, ...moonshine } = model.files
    super({ moonshine, tokens }, model, LIMITS)
  }

  protected override segmentsOf(
    result: SherpaResult,
    { samples, speech }: ChunkAudio,
  ): RecognisedSegment[] {
    const text = withMarks(textOf(result), this.#readings(samples))
    const start = roundToMs(speech.start / SAMPLE_RATE)
    const end = roundToMs(speech.end / SAMPLE_RATE)
    return text !== '' && end > start ? [{ start, end, text }] : []
  }

  /**
   * How far the text differs when the longest stretches, and the one farthest from the longest, are played slower and
   * faster. Speech in another language comes out as English words too, but as others each time.
   */
  protected override async checked(
    reader: WavReader,
    stretches: readonly Stretch[],
  ): Promise<{ doubt: Doubt }> {
    const longest = stretches.toSorted((a, b) => lengthOf(b) - lengthOf(a))
    const far = farthest(longest.slice(1), longest[0])
    const sum = { words: 0, differing: 0 }
    let left = SAMPLE
    for (const audio of longest.filter((one) => one !== far)) {
      if (left <= 0) break
      left -= await this.#secondPass(reader, audio, SAMPLE, sum)
    }
    if (far === null) return { doubt: sum }
    const elsewhere = { words: 0, differing: 0 }
    await this.#secondPass(reader, far, SAMPLE_ELSEWHERE, elsewhere)
    return { doubt: { ...sum, elsewhere } }
  }

  *#readings(samples: Float32Array): Generator<string> {
    yield this.#textOf(samples.subarray(TRIM, -TRIM))
    const padded = new Float32Array(samples.length + 2 * SILENCE)
    padded.set(samples, SILENCE)
    yield this.#textOf(padded)
    for (const speed of NEAR_SPEEDS) yield this.#textOf(playedAt(speed, samples))
  }

  /** Adds the disagreement at the beginning of a stretch to `sum`. @returns the samples used. */
  async #secondPass(
    reader: WavReader,
    { start, end, text: whole }: Stretch,
    most: number,
    sum: Disagreement,
  ): Promise<number> {
    const samples = await reader.read(start, Math.min(end, start + most))
    const text = (end - start <= most ? whole : null) ?? this.#textOf(samples)
    for (const speed of SPEEDS) {
      const again = this.#textOf(playedAt(speed, samples))
      const { words, differing } = disagreement([text, again], samples.length / SAMPLE_RATE)
      sum.words += words / SPEEDS.length
      sum.differing += differing / SPEEDS.length
    }
    return samples.length
  }

  #textOf(samples: Float32Array): string {
    return textOf(this.resultOf(samples))
  }
}

function farthest(stretches: readonly Stretch[], from: Stretch | undefined): Stretch | null {
  const away = ({ start }: Stretch): number => Math.abs(start - (from?.start ?? 0))
  return stretches.toSorted((a, b) => away(b) - away(a))[0] ?? null
}
