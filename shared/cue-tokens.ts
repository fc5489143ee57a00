import { bare, isTextOf } from './cut-segment.ts'
import { printable } from './printable.ts'
import { endsSentence } from './sentences.ts'
import { widthOf } from './text-width.ts'
import type { Segment } from './transcript.ts'

/** What a cut costs: the better the place, the less. */
export const CUT = { sentence: 0, clause: 1, word: 2, inside: 6 } as const

/** A word, or a piece of text without spaces. */
export interface Token {
  text: string
  /** In columns. */
  width: number
  isSpaced: boolean
  /** In milliseconds. */
  start: number
  end: number
  /** What a cut after it costs, as in {@link CUT}. */
  cut: number
}

/** In milliseconds: later times are broken. */
const LATEST = 31_536_000_000
/** A pause of so many milliseconds is as good a place as the end of a clause. */
const PAUSE = 500
/** Characters: `Intl.Segmenter` takes time by the square of a text's length. */
const WINDOW = 500

const ENDS_SENTENCE = /[.!?…。！？｡．؟۔।॥։።]["'”’»)\]」』】）]*$/u
const ENDS_CLAUSE = /[,;:،؛、，；：—–]["'”’»)\]」』】）]*$/u
const UNSPACED =
  /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}\p{sc=Lao}\p{sc=Khmer}\p{sc=Myanmar}]/u
const OPENING = /^[\p{Ps}\p{Pi}]+$/u

/**
 * The words of a segment with their times: the engine's, or by characters. Text without spaces is cut into its words.
 * @param mostWidth columns; a wider word is cut into pieces.
 */
export function tokensOf(segment: Segment, mostWidth: number): Token[] {
  const text = printable(segment.text)
  const tokens: Token[] = []
  for (const word of text.split(' ')) addTokens(tokens, word, mostWidth)
  const clock = clockOf(segment, text)
  let at = 0
  for (const [i, token] of tokens.entries()) {
    token.start = clock(at)
    at += token.text.length
    token.end = clock(at, true)
    token.cut = cutAfter(tokens, i, segment.language ?? null)
  }
  for (let i = 1; i < tokens.length; i++) {
    const [token, next] = [tokens[i - 1]!, tokens[i]!]
    if (next.start - token.end >= PAUSE) token.cut = Math.min(token.cut, CUT.clause)
  }
  return tokens
}

function cutAfter(tokens: readonly Token[], i: number, language: string | null): number {
  const { text, cut } = tokens[i]!
  const next = tokens[i + 1]?.text
  if (next === undefined) return ENDS_SENTENCE.test(text) ? CUT.sentence : CUT.clause
  if (cut === CUT.inside) return cut
  if (ENDS_SENTENCE.test(text)) {
    const said = `${tokens[i - 1]?.text ?? ''} ${text}`
    return endsSentence(said, next, language) ? CUT.sentence : CUT.word
  }
  return ENDS_CLAUSE.test(text) ? CUT.clause : CUT.word
}

/** Without times. */
function addTokens(tokens: Token[], word: string, mostWidth: number): void {
  const add = (text: string, isSpaced: boolean, cut: number): void =>
    void tokens.push({ text, width: widthOf(text), isSpaced, start: 0, end: 0, cut })
  const isUnspaced = UNSPACED.test(word)
  if (!isUnspaced && widthOf(word) <= mostWidth) {
    if (word !== '') add(word, true, CUT.word)
    return
  }
  for (const [i, one] of (isUnspaced ? wordsIn(word) : [word]).entries()) {
    const parts = widthOf(one) <= mostWidth ? [one] : partsOf(one, mostWidth)
    for (const [at, part] of parts.entries())
      add(part, i === 0 && at === 0, at < parts.length - 1 ? CUT.inside : CUT.word)
  }
}

const WORDS = new Intl.Segmenter(undefined, { granularity: 'word' })
const CHARACTERS = new Intl.Segmenter()

/** Punctuation stays with the word before it, an opening bracket with the word after it. */
function wordsIn(text: string): string[] {
  const words: string[] = []
  let opening = ''
  for (const { segment, isWordLike } of segmentsIn(text, WORDS)) {
    if (OPENING.test(segment)) opening += segment
    else if (isWordLike === true || words.length === 0 || opening !== '') {
      words.push(opening + segment)
      opening = ''
    } else words[words.length - 1] += segment
  }
  return opening === '' ? words : [...words, opening]
}

function partsOf(word: string, mostWidth: number): string[] {
  const parts: string[] = ['']
  let width = 0
  for (const { segment } of segmentsIn(word, CHARACTERS)) {
    const more = widthOf(segment)
    if (width + more > mostWidth && width > 0) {
      parts.push('')
      width = 0
    }
    parts[parts.length - 1] += segment
    width += more
  }
  return parts
}

function* segmentsIn(text: string, segmenter: Intl.Segmenter): Generator<Intl.SegmentData> {
  for (let from = 0; from < text.length;) {
    // Not inside a surrogate pair.
    const to = from + WINDOW + (/[\udc00-\udfff]/.test(text.charAt(from + WINDOW)) ? 1 : 0)
    yield* segmenter.segment(text.slice(from, to))
    from = to
  }
}

/** Times in milliseconds, by characters without spaces; to be asked in ascending order. */
function clockOf(segment: Segment, text: string): (at: number, isEnd?: boolean) => number {
  const words = (segment.words ?? []).map(({ text, start, end }) => ({
    text: printable(text),
    start,
    end,
  }))
  const spans = isTextOf({ text, words }) ? words : [{ ...segment, text }]
  const lengths = spans.map((span) => bare(span.text).length)
  const [earliest, latest] = [msOf(segment.start), msOf(segment.end)]
  let i = 0
  let before = 0
  let reached = earliest
  return (at, isEnd = false) => {
    while (i + 1 < spans.length && (isEnd ? at > before + lengths[i]! : at >= before + lengths[i]!))
      before += lengths[i++]!
    const [from, to] = [msOf(spans[i]!.start), msOf(spans[i]!.end)]
    const share = Math.min(1, (at - before) / Math.max(1, lengths[i]!))
    const time = Math.round(from + (to - from) * share)
    reached = Math.max(reached, Math.min(latest, time))
    return reached
  }
}

/** Milliseconds of seconds, from 0 to a year. */
export function msOf(seconds: number): number {
  return Math.round(Math.min(LATEST, Math.max(0, seconds * 1000)))
}
