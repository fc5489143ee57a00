import { printable } from './printable.ts'
import type { Segment } from './transcript.ts'

/** As broadcasters and streaming services require; a wide (CJK) character counts twice. */
const MAX_LINE_CHARS = 42
const MAX_LINES = 2

/** `start` and `end` in seconds. */
export interface Cue {
  start: number
  end: number
  lines: string[]
}

/** Text without a line break in it, and whether a space precedes it. */
interface Token {
  text: string
  spaced: boolean
}

/**
 * A segment as subtitles: at most two lines of 42 characters, of similar length. Every word is kept, in order. A cue begins
 * with its first word if word times are known, else in proportion to the text before it.
 * @param prefix before the first line, like the speaker's name.
 */
export function cuesOf(segment: Segment, prefix = ''): Cue[] {
  const tokens = tokensOf(printable(segment.text))
  if (tokens.length === 0) return []
  const lines = balancedLines(tokens, prefix === '' ? 0 : widthOf(prefix))
  const cues: Cue[] = []
  const beginOf = beginnings(segment, tokens)
  let at = 0
  for (let first = 0; first < lines.length; first += MAX_LINES) {
    const shown = lines.slice(first, first + MAX_LINES)
    const start = first === 0 ? segment.start : beginOf(at)
    at += shown.flat().length
    const end = first + MAX_LINES >= lines.length ? segment.end : beginOf(at)
    cues.push({ start, end, lines: shown.map(textOf) })
  }
  if (prefix !== '') cues[0]!.lines[0] = `${prefix}${cues[0]!.lines[0]}`
  return cues
}

/** As few lines as possible, of similar length. */
function balancedLines(tokens: readonly Token[], indent: number): Token[][] {
  const widest = fill(tokens, MAX_LINE_CHARS, indent)
  // Filling every cue would leave a word or two for the last one.
  const wanted = widest.length === 1 ? 1 : Math.ceil(widest.length / MAX_LINES) * MAX_LINES
  let best = widest
  for (let width = MAX_LINE_CHARS - 1; width > 0; width -= 1) {
    const lines = fill(tokens, width, indent)
    if (lines.length > wanted) break
    best = lines
  }
  return best
}

/** Lines of at most this width, unless a single token is wider. */
function fill(tokens: readonly Token[], width: number, indent: number): Token[][] {
  const lines: Token[][] = []
  let used = indent
  for (const token of tokens) {
    const last = lines.at(-1)
    const more = widthOf(token.text) + (token.spaced ? 1 : 0)
    if (last !== undefined && used + more <= width) {
      last.push(token)
      used += more
    } else {
      lines.push([token])
      used = widthOf(token.text) + (lines.length === 1 ? indent : 0)
    }
  }
  return lines
}

/** Words; text without spaces that is too long for a line is split into its words, then into characters. */
function tokensOf(text: string): Token[] {
  const words = text.split(' ').filter((word) => word !== '')
  return words.flatMap((word) =>
    (widthOf(word) <= MAX_LINE_CHARS ? [word] : pieces(word)).map((piece, at) => ({
      text: piece,
      spaced: at === 0,
    })),
  )
}

function pieces(word: string): string[] {
  const found: string[] = []
  for (const { segment, isWordLike } of new Intl.Segmenter(undefined, {
    granularity: 'word',
  }).segment(word)) {
    // Punctuation stays with what is before it.
    if (isWordLike !== true && found.length > 0) found.push(`${found.pop()}${segment}`)
    else found.push(segment)
  }
  return found.flatMap((piece) => (widthOf(piece) <= MAX_LINE_CHARS ? [piece] : halves(piece)))
}

function halves(piece: string): string[] {
  const characters = Array.from(new Intl.Segmenter().segment(piece), ({ segment }) => segment)
  const parts: string[] = []
  let part = ''
  for (const character of characters) {
    if (part !== '' && widthOf(part + character) > MAX_LINE_CHARS) {
      parts.push(part)
      part = ''
    }
    part += character
  }
  return [...parts, part]
}

function beginnings(
  { start, end, text, words }: Segment,
  tokens: readonly Token[],
): (at: number) => number {
  const spoken = tokens.filter(({ spaced }) => spaced).length
  if (words !== undefined && words.length === spoken && spoken === tokens.length) {
    return (at) => Math.min(end, Math.max(start, words[at]!.start))
  }
  const total = Math.max(1, widthOf(printable(text)))
  return (at) => start + ((end - start) * widthOf(textOf(tokens.slice(0, at)))) / total
}

function textOf(tokens: readonly Token[]): string {
  return tokens.map(({ text, spaced }, at) => (spaced && at > 0 ? ` ${text}` : text)).join('')
}

/** East Asian wide and full-width characters (https://www.unicode.org/reports/tr11/) and emoji take two columns. */
const WIDE =
  /[\u1100-\u115f\u2e80-\ua4cf\uac00-\ud7a3\uf900-\ufaff\ufe30-\ufe4f\uff00-\uff60\uffe0-\uffe6\u{1f300}-\u{1faff}\u{20000}-\u{3fffd}]/gu
const COMBINING = /\p{Mark}/gu

function widthOf(text: string): number {
  const shown = text.replace(COMBINING, '')
  return Array.from(shown).length + (shown.match(WIDE)?.length ?? 0)
}
