/** Ways to write the same word. */
const SAME: Record<string, string> = { mr: 'mister', mrs: 'missus', dr: 'doctor', st: 'saint' }

/**
 * How many words a transcript gets wrong: the least number of words to replace, leave out or put in that makes it its
 * reference. Case, punctuation and the spelling of a few titles do not count.
 */
export function wordErrors(
  reference: string,
  hypothesis: string,
): { errors: number; words: number } {
  const expected = wordsOf(reference)
  const heard = wordsOf(hypothesis)
  // Levenshtein's distance, a row at a time: row[j] is that of the words so far to the first j heard.
  let row = Array.from({ length: heard.length + 1 }, (_, j) => j)
  for (const [i, word] of expected.entries()) {
    const next = [i + 1]
    for (const [j, other] of heard.entries()) {
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
