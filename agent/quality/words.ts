/** Scripts without spaces between words: each sign counts by itself. */
export const SIGNS =
  '\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}'
const WORD = new RegExp(`[${SIGNS}]\\p{M}*|(?:(?![${SIGNS}])[\\p{L}\\p{N}\\p{M}'])+`, 'gu')
export const SIGN = new RegExp(`^[${SIGNS}]`, 'u')
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
