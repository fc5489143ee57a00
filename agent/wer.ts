/** Spellings of the same word. */
const SAME: Record<string, string> = { mr: 'mister', mrs: 'missus', dr: 'doctor', st: 'saint' }

/**
 * Word errors of a transcript: the least number of words to replace, delete or insert to get the reference. Case,
 * punctuation and the spelling of a few titles are ignored.
 */
export function wordErrors(
  reference: string,
  hypothesis: string,
): { errors: number; words: number } {
  const expected = wordsOf(reference)
  const actual = wordsOf(hypothesis)
  // Levenshtein distance by rows: row[j] is that of the expected words so far to the first j actual ones.
  let row = Array.from({ length: actual.length + 1 }, (_, j) => j)
  for (const [i, word] of expected.entries()) {
    const next = [i + 1]
    for (const [j, other] of actual.entries()) {
      const replaced = (row[j] ?? 0) + (word === other ? 0 : 1)
      next.push(Math.min(replaced, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1))
    }
    row = next
  }
  return { errors: row.at(-1) ?? 0, words: expected.length }
}

function wordsOf(text: string): string[] {
  return text
    .toLowerCase()
    .normalize('NFKC')
    .replaceAll('’', "'")
    .split(/[^\p{L}\p{N}']+/u)
    .map((word) => word.replace(/^'+|'+$/g, ''))
    .filter((word) => word !== '')
    .map((word) => (Object.hasOwn(SAME, word) ? (SAME[word] ?? word) : word))
}
