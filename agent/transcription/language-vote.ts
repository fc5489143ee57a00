import { clip, covered, lengthOf, totalLength, type Span } from '../../shared/span.ts'

export interface DetectedLanguage {
  /** ISO 639-1. */
  language: string
  /** 0 to 1; null: the engine does not say. Such a vote counts whole. */
  probability: number | null
}

export function weightOf({ probability }: Pick<DetectedLanguage, 'probability'>): number {
  if (probability === null) return 1
  return Number.isFinite(probability) ? Math.min(1, Math.max(0, probability)) : 0
}

/** The mean weight of the votes for one of several languages; null where an engine says none. */
export function meanOf(detected: readonly DetectedLanguage[], language: string): number | null {
  if (detected.some(({ probability }) => probability === null)) return null
  const own = detected.filter((one) => one.language === language)
  return own.reduce((sum, one) => sum + weightOf(one), 0) / detected.length
}

const SPEECH_PER_WINDOW = 15
const LEAST_SPEECH = 0.5
/** The least share of the votes, and the least probability, that decides. */
const DECISIVE = 0.5

/**
 * Windows of a recording to detect its language from. The speech is cut into up to `count` equal parts. From the middle of
 * each (of three: at 17, 50 and 83 % of the speech) a window grows over the speech around it, up to `seconds` of
 * recording, while at least half of it is speech. Ascending, not overlapping; none without speech, one for less than half
 * a minute of it.
 */
export function windowsForVote(speech: readonly Span[], count = 3, seconds = 30): Span[] {
  const total = totalLength(speech)
  if (total <= 0) return []
  const parts = Math.min(count, Math.max(1, Math.floor(total / SPEECH_PER_WINDOW)))
  return Array.from({ length: parts }, (_, i) =>
    windowIn(between(speech, (total * i) / parts, (total * (i + 1)) / parts), seconds),
  ).filter((window) => window.end > window.start)
}

/** The part of the speech from its `from`th to its `to`th second, pauses not counted. */
function between(speech: readonly Span[], from: number, to: number): Span[] {
  const part: Span[] = []
  let before = 0
  for (const span of speech) {
    const shift = span.start - before
    part.push(...clip([span], from + shift, to + shift))
    before += lengthOf(span)
  }
  return part
}

function windowIn(speech: readonly Span[], seconds: number): Span {
  const half = totalLength(speech) / 2
  let before = 0
  let left = speech.findIndex((span) => (before += lengthOf(span)) >= half)
  const middle = speech[left]
  if (middle === undefined) return { start: 0, end: 0 }
  const at = middle.end - (before - half)
  const window = within(middle, at, seconds)
  let right = left
  for (let grown = true; grown;) {
    grown = false
    const next = speech[right + 1]
    if (next !== undefined && window.end === speech[right]!.end) {
      const end = Math.min(next.end, window.start + seconds)
      if (end > next.start && isSpeech({ start: window.start, end }, speech)) {
        window.end = end
        right++
        grown = true
      }
    }
    const previous = speech[left - 1]
    if (previous !== undefined && window.start === speech[left]!.start) {
      const start = Math.max(previous.start, window.end - seconds)
      if (start < previous.end && isSpeech({ start, end: window.end }, speech)) {
        window.start = start
        left--
        grown = true
      }
    }
  }
  return window
}

function within(span: Span, at: number, seconds: number): Span {
  const start = Math.max(span.start, Math.min(at - seconds / 2, span.end - seconds))
  return { start, end: Math.min(span.end, start + seconds) }
}

function isSpeech(window: Span, speech: readonly Span[]): boolean {
  return covered(window, speech) >= lengthOf(window) * LEAST_SPEECH
}

/**
 * The language of a recording, from those of its windows. Each vote is weighted by its probability; the winner's
 * probability is the mean over all windows, with 0 for those of another language. Null: there are no votes, two languages
 * are level, the best has less than half of the votes, or they disagree and the best has less than 0.5 on average.
 */
export function vote(detected: readonly DetectedLanguage[]): DetectedLanguage | null {
  const sums = new Map<string, { sum: number; count: number }>()
  let total = 0
  for (const one of detected) {
    const { language } = one
    const weight = weightOf(one)
    const { sum, count } = sums.get(language) ?? { sum: 0, count: 0 }
    sums.set(language, { sum: sum + weight, count: count + 1 })
    total += weight
  }
  const [best, second] = [...sums].toSorted(([, a], [, b]) => b.sum - a.sum)
  if (best === undefined || total === 0) return null
  const [language, { sum, count }] = best
  const level = second !== undefined && sum - second[1].sum < 1e-9
  if (level || sum / total < DECISIVE) return null
  if (sums.size > 1 && sum / count < DECISIVE) return null
  return { language, probability: meanOf(detected, language) }
}
