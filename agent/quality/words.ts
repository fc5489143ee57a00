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
