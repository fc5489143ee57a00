import { unlikeness } from './sounds-like.ts'
import { tokensIn, type Token } from './words.ts'

const MOST_UNLIKE = 0.45
const MORE_WORDS = 2

/**
 * What stands in a text in place of a term: between the words that are before and after the term in the text which the
 * engine gave with it as a hint. Null where the term is not there, or something else was said.
 * @param text.heard a part of what was said, that sounds like the term.
 */
export function heardInstead({
  term,
  heard,
  said,
  hinted,
}: {
  term: string
  heard: string
  said: string
  hinted: string
}): string | null {
  const [before, after] = [tokensIn(said), tokensIn(hinted)]
  const size = tokensIn(term).length
  const at = placeOf(tokensIn(term), after)
  const phrase = placeOf(tokensIn(heard), before)
  if (at === -1 || phrase === -1) return null
  const last = phrase + tokensIn(heard).length
  const left = at === 0 ? -1 : lastBefore(before, last, after[at - 1]!)
  if (left === null) return null
  const right =
    at + size === after.length ? before.length : firstFrom(before, left + 1, after[at + size]!)
  if (right === null || right <= phrase || left >= last) return null
  const words = before.slice(left + 1, right)
  if (words.length === 0 || words.length > size + MORE_WORDS) return null
  const found = said.slice(words[0]!.start, words.at(-1)!.end)
  return unlikeness(found, term) <= MOST_UNLIKE ? found : null
}

function placeOf(wanted: readonly Token[], tokens: readonly Token[]): number {
  return tokens.findIndex((_, at) =>
    wanted.every(({ folded }, i) => tokens[at + i]?.folded === folded),
  )
}

/** Null where it is not there. */
function lastBefore(tokens: readonly Token[], end: number, { folded }: Token): number | null {
  const at = tokens.slice(0, end).findLastIndex((one) => one.folded === folded)
  return at === -1 ? null : at
}

function firstFrom(tokens: readonly Token[], start: number, { folded }: Token): number | null {
  const at = tokens.slice(start).findIndex((one) => one.folded === folded)
  return at === -1 ? null : start + at
}
