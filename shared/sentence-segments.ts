import { bare, cutSegment } from './cut-segment.ts'
import { endsSentence, sentencesIn } from './sentences.ts'
import type { Span } from './span.ts'
import type { Segment } from './transcript.ts'
import { UNSPACED } from './unspaced-scripts.ts'

/** A longer pause, in seconds, ends what is said, with a mark or without. */
const MOST_PAUSE = 2
/** Before a capital letter, which begins a sentence more often than it goes on with one, unless after a comma. */
const MOST_PAUSE_BEFORE_CAPITAL = 0.7
const ENDS_WITH_COMMA = /[,;，、،]["'”’»)\]」』】）]*$/u
/** More is no sentence: the engine writes no marks there. */
const MOST_SECONDS = 40
/** Of segments that are joined. */
const MOST_PARTS = 6

const BEGINS_UPPER = /^[^\p{L}\p{N}]*\p{Lu}/u
const WITHOUT_SPACES = `[${UNSPACED}\\u3000-\\u303f\\uff00-\\uffef]`
const ENDS_UNSPACED = new RegExp(`${WITHOUT_SPACES}$`, 'u')
const BEGINS_UNSPACED = new RegExp(`^${WITHOUT_SPACES}`, 'u')

interface SentenceOptions {
  /** Of the transcript, for segments without their own; null: unknown. */
  language?: string | null
  /** Where somebody speaks, for a segment without word times; ascending. */
  speechOf?: (segment: Segment) => readonly Span[]
}

/**
 * The segments of a transcript as sentences: split where one ends (see {@link cutSegment}), and joined where an engine has
 * cut inside one. Each has one speaker, one language and one set of flags, as before. Every word stays, in its order.
 * @param segments by start; several speakers may speak at once.
 */
export function sentenceSegments<S extends Segment>(
  segments: readonly S[],
  options: SentenceOptions = {},
): S[] {
  return joinSentences(splitSentences(segments, options), options)
}

/** The segments, split where a sentence ends, by start. */
export function splitSentences<S extends Segment>(
  segments: readonly S[],
  { language = null, speechOf }: SentenceOptions = {},
): S[] {
  const split = segments.flatMap((segment) => {
    const sentences = sentencesIn(segment.text, segment.language ?? language)
    if (sentences.length < 2) return [segment]
    let at = 0
    const cuts = sentences.slice(0, -1).map((sentence) => (at += bare(sentence).length))
    return cutSegment(segment, cuts, speechOf?.(segment))
  })
  // Of two people who speak at once, the sentences of one begin between those of the other.
  return split.toSorted((a, b) => a.start - b.start)
}

/** Only a sentence that ends with a mark is joined: without marks, nothing tells where one would end. */
function joinSentences<S extends Segment>(
  segments: readonly S[],
  { language = null }: SentenceOptions,
): S[] {
  const joined: S[] = []
  for (let from = 0; from < segments.length;) {
    const to = endOfSentence(segments, from, language)
    joined.push(segments.slice(from + 1, to).reduce(join, segments[from]!))
    from = to
  }
  return joined
}

/** The index after the last part of the sentence that begins here. */
function endOfSentence(
  segments: readonly Segment[],
  from: number,
  language: string | null,
): number {
  const first = segments[from]!
  for (let at = from; at < from + MOST_PARTS; at++) {
    const [one, next] = [segments[at]!, segments[at + 1]]
    if (endsSentence(one.text, next?.text ?? '', one.language ?? language)) return at + 1
    if (next === undefined || !goesOn(one, next) || next.end - first.start > MOST_SECONDS) break
  }
  return from + 1
}

function goesOn(one: Segment, next: Segment): boolean {
  const begins = BEGINS_UPPER.test(next.text) && !ENDS_WITH_COMMA.test(one.text.trimEnd())
  return (
    next.start - one.end <= (begins ? MOST_PAUSE_BEFORE_CAPITAL : MOST_PAUSE) &&
    one.speaker === next.speaker &&
    one.language === next.language &&
    (one.flags ?? []).join() === (next.flags ?? []).join() &&
    (one.words === undefined) === (next.words === undefined)
  )
}

function join<S extends Segment>(one: S, next: S): S {
  const { words, confidence: _, overlap: __, ...rest } = one
  const confidence = meanConfidence([one, next])
  return {
    ...rest,
    end: Math.max(one.end, next.end),
    text: joinTexts(one.text, next.text),
    ...(words === undefined ? {} : { words: [...words, ...(next.words ?? [])] }),
    ...(confidence === null ? {} : { confidence }),
    ...(one.overlap === true || next.overlap === true ? { overlap: true } : {}),
  } as S
}

/** Two texts with a space between them, where their script has spaces. */
export function joinTexts(one: string, next: string): string {
  const [before, after] = [one.trimEnd(), next.trimStart()]
  const space = ENDS_UNSPACED.test(before) && BEGINS_UNSPACED.test(after) ? '' : ' '
  return `${before}${space}${after}`
}

/** By the length of the texts, to three digits; null where none has any. */
export function meanConfidence(segments: readonly Segment[]): number | null {
  let sum = 0
  let length = 0
  for (const { text, confidence } of segments) {
    if (confidence === undefined) continue
    sum += confidence * bare(text).length
    length += bare(text).length
  }
  return length === 0 ? null : Math.round((sum / length) * 1000) / 1000
}
