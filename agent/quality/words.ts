import { UNSPACED } from '../../shared/unspaced-scripts.ts'

/** Scripts without spaces between words: each sign counts by itself. */
const WORD = new RegExp(`[${UNSPACED}]\\p{M}*|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}'])+`, 'gu')
export const SIGN = new RegExp(`^[${UNSPACED}]`, 'u')
const SIGNS_PER_WORD = 2

/** The words of a text, or its signs where it has no spaces, in lower case and without punctuation. */
export function wordsIn(text: string): string[] {
  return text.normalize('NFKC').toLowerCase().replaceAll('’', "'").match(WORD) ?? []
}

export function wordCount(text: string): number {
  const words = wordsIn(text)
  const signs = words.filter((word) => SIGN.test(word)).length
  return words.length - signs + signs / SIGNS_PER_WORD
}

const TOKEN = new RegExp(
  `[${UNSPACED}][${UNSPACED}\\p{M}ー]*|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}_])+`,
  'gu',
)
const dictionary = new Intl.Segmenter(undefined, { granularity: 'word' })

/** A part of a text. */
export interface Place {
  start: number
  end: number
}

export interface Token extends Place {
  folded: string
}

/** The words of a text; where a script has no spaces, as its dictionary has them. */
export function tokensIn(text: string): Token[] {
  return [...text.matchAll(TOKEN)].flatMap(({ 0: run, index }) =>
    SIGN.test(run)
      ? Array.from(dictionary.segment(run), (one) => tokenAt(one.segment, index + one.index))
      : [tokenAt(run, index)],
  )
}

function tokenAt(text: string, start: number): Token {
  return { start, end: start + text.length, folded: text.normalize('NFKC').toLowerCase() }
}
