import type { Segment } from '../../shared/transcript.ts'
import { isFiller } from './fillers.ts'
import type { RecognisedSegment } from '../transcription/recognised-segment.ts'
import { compressionRatio, isLoop } from './repeats.ts'
import { covered, type Span } from '../../shared/span.ts'
import { wordCount, wordsIn } from './words.ts'

/**
 * `repeats`: most of it is one repeated phrase. `repeated_segment`: one of three or more in a row with the same text.
 * `compression`: zlib makes it much shorter. `low_confidence`: by the engine's own numbers. `speech_rate`: too many or too
 * few words for its time. `no_speech`: outside speech. `filler`: a phrase that models write there.
 */
export type Flag =
  | 'repeats'
  | 'repeated_segment'
  | 'compression'
  | 'low_confidence'
  | 'speech_rate'
  | 'no_speech'
  | 'filler'

export interface Review {
  segments: RecognisedSegment[]
  /** Invented: `filler` or `low_confidence` together with `no_speech`. */
  dropped: RecognisedSegment[]
  /** By flag, the number of segments that have it, dropped ones included. */
  counts: Record<string, number>
}

const MAX_RATIO = 2.4
const LOW_LOGPROB = -1
const NO_SPEECH = 0.6
/** For segments that Whisper takes for silence: below the values of clear speech. */
const LOW_LOGPROB_IN_SILENCE = -0.7
const TIMES = 3
const MAX_WORDS_PER_SECOND = 8
/** Fewer words may be given any time. */
const LEAST_FAST_WORDS = 4
const MIN_WORDS_PER_SECOND = 0.2
const LEAST_SLOW_SECONDS = 5
const LEAST_SPEECH = 0.1

/**
 * Flags doubtful segments and drops invented ones. Flags of this file are computed anew, other flags are kept.
 * @param speech of the VAD; without one, the whole recording: then nothing is dropped.
 */
export function review(segments: readonly RecognisedSegment[], speech: readonly Span[]): Review {
  const repeated = repeatedSegments(segments)
  const result: Review = { segments: [], dropped: [], counts: {} }
  for (const [i, segment] of segments.entries()) {
    const flags = flagsOf(segment, speech)
    if (repeated[i]) flags.push('repeated_segment')
    for (const flag of flags) result.counts[flag] = (result.counts[flag] ?? 0) + 1
    const isInvented =
      flags.includes('no_speech') && (flags.includes('filler') || flags.includes('low_confidence'))
    result[isInvented ? 'dropped' : 'segments'].push(withFlags(segment, flags))
  }
  return result
}

/** Whether to recognise again: another try may not loop. */
export function worthRetry(segments: readonly RecognisedSegment[]): boolean {
  return segments.some(isLooping)
}

/**
 * The better of two reviewed tries at the same speech: the one with more words, minus those in loops, then the one with
 * the higher confidence, then the first. Any text is better than none.
 */
export function better<T extends readonly RecognisedSegment[]>(a: T, b: T): T {
  if (a.length === 0 || b.length === 0) return b.length > 0 ? b : a
  const more = worth(b) - worth(a)
  if (more !== 0) return more > 0 ? b : a
  return certainty(b) > certainty(a) ? b : a
}

const OURS = new Set<string>([
  'repeats',
  'repeated_segment',
  'compression',
  'low_confidence',
  'speech_rate',
  'no_speech',
  'filler',
] satisfies Flag[])

function withFlags(
  { flags: before = [], ...segment }: RecognisedSegment,
  flags: Flag[],
): RecognisedSegment {
  const all = [...before.filter((flag) => !OURS.has(flag)), ...flags]
  return all.length === 0 ? segment : { ...segment, flags: all }
}

function flagsOf(segment: RecognisedSegment, speech: readonly Span[]): Flag[] {
  const { text } = segment
  const flags: Flag[] = []
  if (isLoop(text)) flags.push('repeats')
  // The engine's own ratio is of more text, and includes loops across segments.
  const ratio = Math.max(compressionRatio(text), segment.compressionRatio ?? 0)
  if (ratio > MAX_RATIO) flags.push('compression')
  if (isUncertain(segment)) flags.push('low_confidence')
  if (!isSpeakable(segment)) flags.push('speech_rate')
  if (!isSpeech(segment, speech)) {
    flags.push('no_speech')
    if (isFiller(text)) flags.push('filler')
  }
  return flags
}

function isUncertain({ avgLogprob, noSpeechProb = 0 }: RecognisedSegment): boolean {
  if (avgLogprob === undefined) return false
  return avgLogprob < (noSpeechProb > NO_SPEECH ? LOW_LOGPROB_IN_SILENCE : LOW_LOGPROB)
}

function isSpeakable({ start, end, text }: Segment): boolean {
  const seconds = Math.max(0, end - start)
  const words = wordCount(text)
  if (words >= LEAST_FAST_WORDS && words > seconds * MAX_WORDS_PER_SECOND) return false
  return seconds <= LEAST_SLOW_SECONDS || words >= seconds * MIN_WORDS_PER_SECOND
}

function isSpeech({ start, end }: Segment, speech: readonly Span[]): boolean {
  if (end > start) return covered({ start, end }, speech) >= (end - start) * LEAST_SPEECH
  return speech.some((span) => start >= span.start && start <= span.end)
}

/** For each segment whether it is one of three or more in a row with the same words. */
function repeatedSegments(segments: readonly Segment[]): boolean[] {
  const texts = segments.map(({ text }) => wordsIn(text).join(' '))
  const repeated = texts.map(() => false)
  for (let from = 0; from < texts.length;) {
    let to = from + 1
    while (texts[to] === texts[from]) to++
    if (to - from >= TIMES && texts[from] !== '') repeated.fill(true, from, to)
    from = to
  }
  return repeated
}

function isLooping({ flags = [] }: RecognisedSegment): boolean {
  return ['repeats', 'repeated_segment', 'compression'].some((flag) => flags.includes(flag))
}

function worth(segments: readonly RecognisedSegment[]): number {
  return segments.reduce(
    (sum, segment) => sum + wordCount(segment.text) * (isLooping(segment) ? -1 : 1),
    0,
  )
}

/** The mean log probability, by words; least where the engine gives none. */
function certainty(segments: readonly RecognisedSegment[]): number {
  let sum = 0
  let words = 0
  for (const { text, avgLogprob } of segments) {
    if (avgLogprob === undefined) continue
    const count = wordCount(text)
    sum += avgLogprob * count
    words += count
  }
  return words === 0 ? -Infinity : sum / words
}
