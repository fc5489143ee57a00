import { roundToMs, type Span } from './span.ts'
import type { Segment, Word } from './transcript.ts'

/** How far a cut without word times moves to a pause, in seconds. */
const REACH = 1

/** Whether a segment's text is its words: then it is cut between them. */
export function isTextOf({ text, words = [] }: Pick<Segment, 'text' | 'words'>): boolean {
  return words.length > 0 && bare(text) === bare(words.map((word) => word.text).join(''))
}

/** A text without its spaces. */
export function bare(text: string): string {
  return text.replace(/\s+/gu, '')
}

/**
 * Cuts a segment into pieces. Text, words and times of the whole stay, other fields go to all pieces; the confidence of a
 * piece is that of its words.
 * @param cuts where, in characters of the text without spaces, ascending. One inside a word is left out.
 * @param speech where somebody speaks, ascending: what has no word times is cut in proportion to its text within it, and
 * at a pause that is near.
 */
export function cutSegment<S extends Segment>(
  segment: S,
  cuts: readonly number[],
  speech: readonly Span[] = [],
): S[] {
  const { words = [], text } = segment
  const isTimed = isTextOf(segment)
  const ends = endsOf(words)
  const total = bare(text).length
  const after = new Map(ends.map((end, i) => [end, i + 1]))
  const places = cuts.filter((cut) => cut > 0 && cut < total && (!isTimed || after.has(cut)))
  if (places.length === 0) return [segment]
  const firsts = places.map((cut) => after.get(cut) ?? 0)
  const edges = isTimed
    ? edgesByWords(segment, words, firsts)
    : edgesBySpeech(segment, places, total, speech)
  const begins = (piece: number, word: Word, at: number): boolean =>
    isTimed ? firsts[piece - 1]! <= at : edges[piece - 1]!.start <= (word.start + word.end) / 2
  const groups: Word[][] = [[], ...places.map(() => [])]
  let piece = 0
  for (const [at, word] of words.entries()) {
    while (piece < places.length && begins(piece + 1, word, at)) piece += 1
    groups[piece]!.push(word)
  }
  return cutText(text, places).map((part, i) => {
    const start = edges[i - 1]?.start ?? segment.start
    const end = Math.max(start, edges[i]?.end ?? segment.end)
    return withWords({ ...segment, start, end, text: part }, groups[i]!)
  })
}

/** A segment with these words, within its times; its confidence is theirs. */
function withWords<S extends Segment>(segment: S, words: readonly Word[]): S {
  const { words: _, confidence, ...rest } = segment
  const within = (time: number): number => Math.min(segment.end, Math.max(segment.start, time))
  const own = words.map((word) => ({ ...word, start: within(word.start), end: within(word.end) }))
  const certainty = meanProbability(words) ?? confidence
  return {
    ...rest,
    ...(own.length === 0 ? {} : { words: own }),
    ...(certainty === undefined ? {} : { confidence: certainty }),
  } as S
}

/** Where one piece ends and the next begins. */
type Edge = Span

/** @param firsts the index of each piece's first word, without the first piece. */
function edgesByWords(segment: Span, words: readonly Word[], firsts: readonly number[]): Edge[] {
  let reached = segment.start
  return firsts.map((first) => {
    const within = (time: number): number => Math.min(segment.end, Math.max(reached, time))
    const start = within(words[first]!.start)
    const end = Math.min(start, within(words[first - 1]!.end))
    reached = start
    return { end, start }
  })
}

/** The mean probability of the words that have one, to three digits; null where none has. */
export function meanProbability(words: readonly Word[]): number | null {
  const known = words.flatMap(({ probability }) => probability ?? [])
  if (known.length === 0) return null
  return roundToMs(known.reduce((sum, one) => sum + one, 0) / known.length)
}

/** By characters of the text without spaces, the end of each word. */
function endsOf(words: readonly Word[]): number[] {
  let at = 0
  return words.map(({ text }) => (at += bare(text).length))
}

function edgesBySpeech(
  segment: Span,
  cuts: readonly number[],
  total: number,
  speech: readonly Span[],
): Edge[] {
  const spans = speech
    .filter(({ start, end }) => end > segment.start && start < segment.end)
    .map(({ start, end }) => ({
      start: Math.max(start, segment.start),
      end: Math.min(end, segment.end),
    }))
  const spoken = spans.length === 0 ? [segment] : spans
  const guesses = cuts.map((cut) => timeAt(cut / total, spoken))
  let reached = segment.start
  return guesses.map((guess, i) => {
    const from = Math.max(reached, guesses[i - 1] ?? segment.start)
    const pause = nearestPause(guess, spoken, { start: from, end: guesses[i + 1] ?? segment.end })
    const edge = pause ?? { end: Math.max(reached, guess), start: Math.max(reached, guess) }
    reached = edge.start
    return { end: roundToMs(edge.end), start: roundToMs(edge.start) }
  })
}

/** The time at which this share of the speech is over. */
function timeAt(share: number, spans: readonly Span[]): number {
  let left = share * spans.reduce((sum, { start, end }) => sum + end - start, 0)
  for (const { start, end } of spans) {
    if (left <= end - start) return start + left
    left -= end - start
  }
  return spans.at(-1)!.end
}

function nearestPause(guess: number, spans: readonly Span[], within: Span): Edge | null {
  let best: Edge | null = null
  let least = REACH
  for (const [i, { start }] of spans.entries()) {
    const end = spans[i - 1]?.end
    if (end === undefined || end <= within.start || start >= within.end) continue
    const distance = Math.max(0, end - guess, guess - start)
    if (distance > least) continue
    least = distance
    best = { end, start }
  }
  return best
}

/** Cuts a text after so many characters, spaces not counted; spaces between two pieces are dropped. */
function cutText(text: string, cuts: readonly number[]): string[] {
  let at = 0
  let count = 0
  return [...cuts, Infinity].map((cut) => {
    const from = at
    for (; at < text.length && count < cut; at++) {
      if (!/\s/u.test(text[at]!)) count++
    }
    return text.slice(from, at).trim()
  })
}
