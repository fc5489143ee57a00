import { FRAME_SECONDS } from './levels.ts'
import { soundIn } from './loudness.ts'
import { clip, lengthOf, type Span } from '../../shared/span.ts'

/** Speech that is much quieter than the rest, and by how many dB it has to be amplified. */
export interface QuietSpeech extends Span {
  gain: number
}

/** How loud speech is, in dB of `readLevels`: that of the recording, within these bounds. */
const USUAL = { least: -45, most: -28 }
/** So many dB less is quiet: recognisers begin to miss words, then VADs the speech. */
const QUIET = 12
/** Below this level nothing is left of it, in 16 bits. */
const LOST = -75
/** Loud moments are this share of the frames, and so are quiet ones. */
const SHARE = 0.1
/** By how many dB these differ in words that can be recognised: what changes less is noise. */
const RANGE = 18
/** What is shorter, in seconds, is no words. */
const LEAST = 0.5
/** The sound of loud speech fades away for so long, in seconds. */
const FADES = 0.3
/** Amplified at once, in seconds: levels change. */
const MOST = 10
/** Amplified sound stays below full scale. */
const MOST_PEAK = 0.9

/** How much quieter speech, and what may be speech, is than the rest of it. */
export class Loudness {
  readonly #levels: Float32Array
  readonly #speech: readonly Span[]
  readonly #usual: number

  /** @param levels of all frames (`readLevels`); @param speech what a VAD has found. */
  constructor(levels: Float32Array, speech: readonly Span[]) {
    this.#levels = levels
    this.#speech = speech
    const spoken = speech.map((one) => this.#in(one))
    const all = new Float32Array(spoken.reduce((sum, { length }) => sum + length, 0))
    let at = 0
    for (const one of spoken) {
      all.set(one, at)
      at += one.length
    }
    const loud = speech.length === 0 ? USUAL.most : loudLevel(all)
    this.#usual = Math.min(USUAL.most, Math.max(USUAL.least, loud))
  }

  /** With the gain that it needs, where it is quiet. */
  rate(span: Span): Span | QuietSpeech {
    const level = loudLevel(this.#in(span))
    const gain = Math.round(this.#usual - level)
    return gain >= QUIET && level >= LOST ? { ...span, gain } : span
  }

  /** Quiet sounds between the speech, which rise and fall as speech does: a VAD may have missed words in them. */
  quietSounds(): QuietSpeech[] {
    const ends = [-Infinity, ...this.#speech.map(({ end }) => end + FADES)]
    const starts = [...this.#speech.map(({ start }) => start - FADES), Infinity]
    const pauses = starts
      .map((end, i) => ({ start: ends[i]!, end }))
      .filter(({ start, end }) => end > start)
    return soundIn(this.#levels)
      .flatMap(({ start, end }) => clip(pauses, start, end))
      .flatMap(pieces)
      .filter((span) => lengthOf(span) >= LEAST && this.#isLively(span))
      .map((span) => this.rate(span))
      .filter(isQuiet)
  }

  #isLively(span: Span): boolean {
    const levels = this.#in(span)
    return levelAt(levels, 1 - SHARE) - levelAt(levels, SHARE) >= RANGE
  }

  #in({ start, end }: Span): Float32Array {
    return this.#levels.subarray(Math.floor(start / FRAME_SECONDS), Math.ceil(end / FRAME_SECONDS))
  }
}

export function isQuiet(span: Span | QuietSpeech): span is QuietSpeech {
  return 'gain' in span
}

function pieces({ start, end }: Span): Span[] {
  const count = Math.ceil((end - start) / MOST)
  const at = (i: number): number => start + ((end - start) * i) / count
  return Array.from({ length: count }, (_, i) => ({ start: at(i), end: at(i + 1) }))
}

/** Of the loud moments. */
function loudLevel(levels: Float32Array): number {
  return levelAt(levels, 1 - SHARE)
}

function levelAt(levels: Float32Array, share: number): number {
  return levels.toSorted()[Math.floor((levels.length - 1) * share)] ?? LOST
}

/** By this factor, less where the samples would pass full scale. */
export function factorOf(gain: number, samples: Float32Array): number {
  const peak = samples.reduce((most, sample) => Math.max(most, Math.abs(sample)), 0)
  return Math.min(10 ** (gain / 20), MOST_PEAK / (peak || 1))
}
