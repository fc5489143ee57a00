import type { Word } from '../../../shared/transcript.ts'

/** Times in seconds, and the text with its leading space. */
export interface Token {
  start: number
  end: number
  text: string
}

/** `[_BEG_]`, `[_TT_150]`, `<|endoftext|>`: no speech. */
const SPECIAL = /^(\[_\w*\]|<\|.*\|>)$/
/** Scripts without spaces between words: each letter counts as a word, as in Whisper. */
const UNSPACED =
  /^[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Myanmar}]/u
const HAS_LETTER = /[\p{L}\p{N}]/u

/**
 * The words of a segment. A word begins with a space; punctuation belongs to the word before it. Times ascend within
 * the segment. Undefined when the tokens do not add up to the segment's text, as when they cut a letter of several
 * bytes: no words are better than wrong ones.
 */
export function wordsFromTokens(
  tokens: readonly Token[],
  segment: { start: number; end: number; text: string },
): Word[] | undefined {
  const words: Token[] = []
  for (const token of tokens) {
    if (SPECIAL.test(token.text) || token.text === '') continue
    const last = words.at(-1)
    if (last !== undefined && !beginsWord(token.text)) {
      last.text += token.text
      last.end = Math.max(last.end, token.end)
    } else {
      words.push({ ...token })
    }
  }
  const joined = words.map(({ text }) => text).join('')
  if (squeeze(joined) !== squeeze(segment.text)) return undefined
  return within(joinMarks(words), segment)
}

/** Joins marks without a letter (` -`, ` "`) to the word before, or at the beginning to the one after. */
function joinMarks(words: readonly Token[]): Token[] {
  const joined: Token[] = []
  for (const word of words) {
    const last = joined.at(-1)
    if (last !== undefined && (!HAS_LETTER.test(word.text) || !HAS_LETTER.test(last.text))) {
      last.text += word.text
      last.end = Math.max(last.end, word.end)
    } else {
      joined.push({ ...word })
    }
  }
  return joined
}

function within(words: readonly Token[], segment: { start: number; end: number }): Word[] {
  let earliest = segment.start
  const result: Word[] = []
  for (const { start, end, text } of words) {
    const said = text.trim().replaceAll(/\s+/g, ' ')
    if (said === '') continue
    const from = clamp(start, earliest, segment.end)
    const to = clamp(end, from, segment.end)
    result.push({ start: from, end: to, text: said })
    earliest = to
  }
  return result
}

function beginsWord(text: string): boolean {
  return /^\s/.test(text) || UNSPACED.test(text)
}

function squeeze(text: string): string {
  return text.replaceAll(/\s+/g, '')
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(low, high), Math.max(low, value))
}
