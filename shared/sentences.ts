import { BEFORE_MORE, BEFORE_NUMBERS, ORDINALS, STARTERS } from './abbreviations.ts'

const CLOSING = `["'”’»)\\]」』】）]*`
const ELLIPSIS = new RegExp(`(\\.{2,}|…)${CLOSING}$`, 'u')
const TERMINAL = new RegExp(`[.!?…。！？｡．؟۔।॥։።]${CLOSING}$`, 'u')
const HAS_LETTER = /[\p{L}\p{N}]/u
const BEGINS_LOWER = /^[^\p{L}\p{N}]*\p{Ll}/u
const BEGINS_WITH_NUMBER = /^[^\p{L}\p{N}]*\p{N}/u
const LAST_TOKEN = /(\S+)\s*$/u
/** In languages without capital letters, or of engines that write none. */
const HAS_UPPER = /\p{Lu}/u
const LOWER_AFTER_END = /\p{Ll}(?<=[.!?…]["'”’»)\]]*\s+["'“‘«([]*\p{Ll})/gu
/** `「はい。」と` is still the sentence around the quotation. */
const QUOTED = /[。！？]["」』]$/u
const QUOTING = /^(と|って)/u

/** How many characters beside an end decide whether it is one. */
const CONTEXT = 200

/**
 * The sentences of a text, in order, without the spaces around them. After Unicode's rules (https://unicode.org/reports/tr29/,
 * for Chinese, Thai or Hindi, too), but no sentence ends after an abbreviation, an initial or an ordinal number, or with an
 * ellipsis that goes on in lower case.
 * @param language ISO 639-1 code; null or left out: unknown.
 */
export function sentencesIn(text: string, language: string | null = null): string[] {
  const hasCase = HAS_UPPER.test(text)
  const sentences: string[] = []
  let from = 0
  let at = 0
  for (const length of lengthsIn(forUnicode(text, hasCase), segmenterOf(language))) {
    const before = text.slice(Math.max(from, at - CONTEXT), at)
    const after = text.slice(at, at + Math.min(length, CONTEXT))
    if (at > from && !continues(before, after, { language, hasCase })) {
      sentences.push(text.slice(from, at))
      from = at
    }
    at += length
  }
  sentences.push(text.slice(from))
  return sentences.map((sentence) => sentence.trim()).filter((sentence) => sentence !== '')
}

/** Whether a text ends with its sentence; `next` is the text that follows, '' at the end. */
export function endsSentence(text: string, next: string, language: string | null = null): boolean {
  const said = text.slice(-CONTEXT).trimEnd()
  if (!TERMINAL.test(said)) return language === 'el' && said.endsWith(';')
  const hasCase = HAS_UPPER.test(text) || HAS_UPPER.test(next)
  return next === '' || !continues(said, next.slice(0, CONTEXT), { language, hasCase })
}

interface Script {
  language: string | null
  /** Whether its letters have two cases, so that a small one tells that a sentence goes on. */
  hasCase: boolean
}

/** Whether the sentence that ends with `before`, as Unicode has it, goes on with `after`. */
function continues(before: string, after: string, { language, hasCase }: Script): boolean {
  const said = before.trimEnd()
  if (!HAS_LETTER.test(before) || !HAS_LETTER.test(after)) return true
  if (!TERMINAL.test(said)) return false
  if (hasCase && BEGINS_LOWER.test(after)) return true
  if (QUOTED.test(said)) return QUOTING.test(after)
  if (!said.endsWith('.') || ELLIPSIS.test(said)) return false
  return endsWithAbbreviation(said, after, language)
}

function endsWithAbbreviation(said: string, after: string, language: string | null): boolean {
  const token = LAST_TOKEN.exec(said)![1]!.replace(/^[^\p{L}\p{N}]+/u, '')
  const word = token.slice(0, -1).toLowerCase()
  if (BEFORE_MORE.has(word)) return true
  if (BEFORE_NUMBERS.has(word)) return BEGINS_WITH_NUMBER.test(after)
  if (/^\d{1,2}$/.test(word)) return language !== null && ORDINALS.has(language)
  if (/^\p{L}$/u.test(word)) return isInitial(token, said.slice(0, -token.length), after)
  if (!/^(\p{L}{1,3}\.)+\p{L}{1,2}$/u.test(word) || /^[ap]\.m$/.test(word)) return false
  const next = /[\p{L}']+/u.exec(after)?.[0] ?? ''
  return !STARTERS.has(next.toLowerCase())
}

/** `z.` of `z. B.`, `W.` of `George W. Bush`, both of `J. K. Rowling`; not `C.` of `vitamin C.`, nor the English `I.`. */
function isInitial(token: string, before: string, after: string): boolean {
  if (!HAS_UPPER.test(token) || /^\s*\p{Lu}\./u.test(after)) return true
  const previous = LAST_TOKEN.exec(before)?.[1] ?? ''
  return token !== 'I.' && (previous === '' || HAS_UPPER.test(previous.charAt(0)))
}

/** The text of the same length whose sentences Unicode's rules find: they do not know `…`, nor text in lower case alone. */
function forUnicode(text: string, hasCase: boolean): string {
  const periods = text.replaceAll('…', '.').replaceAll(/[\r\n\u0085\u2028\u2029]/g, ' ')
  if (hasCase) return periods
  return periods.replaceAll(LOWER_AFTER_END, (letter) => 'A'.repeat(letter.length))
}

/** Characters: `Intl.Segmenter` takes time by the square of a text's length. */
const WINDOW = 2_000
const MOST_WINDOW = 8 * WINDOW

/** The lengths of the sentences, as Unicode has them. */
function* lengthsIn(text: string, segmenter: Intl.Segmenter): Generator<number> {
  let size = WINDOW
  /** Of a sentence longer than a window, its length so far. */
  let passed = 0
  for (let from = 0; from < text.length;) {
    const window = text.slice(from, from + size)
    const pieces = Array.from(segmenter.segment(window), (one) => one.segment)
    const isLast = from + size >= text.length
    // What a window cuts off decides where its last two sentences end.
    const known = isLast ? pieces : pieces.slice(0, -2)
    if (known.length > 0) size = WINDOW
    else if (size < MOST_WINDOW) size *= 2
    else {
      from += size
      passed += size
    }
    for (const piece of known) {
      from += piece.length
      yield passed + piece.length
      passed = 0
    }
  }
}

const segmenters = new Map<string | null, Intl.Segmenter>()

function segmenterOf(language: string | null): Intl.Segmenter {
  let segmenter = segmenters.get(language)
  if (segmenter === undefined) {
    segmenter = newSegmenter(language)
    if (segmenters.size < 200) segmenters.set(language, segmenter)
  }
  return segmenter
}

function newSegmenter(language: string | null): Intl.Segmenter {
  try {
    return new Intl.Segmenter(language ?? undefined, { granularity: 'sentence' })
  } catch {
    // No language tag.
    return new Intl.Segmenter(undefined, { granularity: 'sentence' })
  }
}
