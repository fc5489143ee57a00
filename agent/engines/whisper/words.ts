import type { Word } from '../../../shared/transcript.ts'

/** Times in seconds, and the text with its leading space. */
export interface Token {
  start: number
  end: number
  text: string
  /** 0 to 1. */
  probability?: number | undefined
}

/** A word as it is put together. */
interface Joined extends Token {
  /** Of its tokens, natural logarithms; null: one is unknown. */
  logs: number[] | null
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
  const words: Joined[] = []
  for (const token of tokens) {
    if (SPECIAL.test(token.text) || token.text === '') continue
    const last = words.at(-1)
    const { probability } = token
    const one = { ...token, logs: probability === undefined ? null : [Math.log(probability)] }
    if (last !== undefined && !beginsWord(token.text)) add(last, one)
    else words.push(one)
  }
  const joined = words.map(({ text }) => text).join('')
  if (squeeze(joined) !== squeeze(segment.text)) return undefined
  return within(joinMarks(words), segment)
}

/** Joins marks without a letter (` -`, ` "`) to the word before, or at the beginning to the one after. */
function joinMarks(words: readonly Joined[]): Joined[] {
  const joined: Joined[] = []
  for (const word of words) {
    const last = joined.at(-1)
    if (last !== undefined && (!HAS_LETTER.test(word.text) || !HAS_LETTER.test(last.text))) {
      add(last, word)
    } else {
      joined.push({ ...word })
    }
  }
  return joined
}

function add(word: Joined, { text, end, logs }: Joined): void {
  word.text += text
  word.end = Math.max(word.end, end)
  word.logs = word.logs === null || logs === null ? null : [...word.logs, ...logs]
}

function within(words: readonly Joined[], segment: { start: number; end: number }): Word[] {
  let earliest = segment.start
  const result: Word[] = []
  for (const { start, end, text, logs } of words) {
    const said = text.trim().replaceAll(/\s+/g, ' ')
    if (said === '') continue
    const from = clamp(start, earliest, segment.end)
    const to = clamp(end, from, segment.end)
    result.push({ start: from, end: to, text: said, ...probabilityOf(logs) })
    earliest = to
  }
  return result
}

/** `exp` of the mean log probability of a word's tokens, to three digits. */
function probabilityOf(logs: readonly number[] | null): { probability?: number } {
  if (logs === null) return {}
  const mean = logs.reduce((sum, one) => sum + one, 0) / logs.length
  return { probability: Math.min(1, Math.round(Math.exp(mean) * 1000) / 1000) }
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
