import { deflateSync } from 'node:zlib'
import { wordsIn } from './words.ts'

const LONGEST_PHRASE = 8
const TIMES = 3
/** People say "no, no, no"; a loop is longer … */
const LEAST_WORDS = 8
/** … and most of its segment. */
const LEAST_SHARE = 0.5

/**
 * Whether most of a text is one phrase of up to eight words, at least three times in a row, eight words or more in all.
 */
export function isLoop(text: string): boolean {
  const words = wordsIn(text)
  const least = Math.max(LEAST_WORDS, words.length * LEAST_SHARE)
  for (let length = 1; length <= LONGEST_PHRASE; length++) {
    // The number of words in a row that equal the word one phrase earlier.
    let same = 0
    for (let at = length; at < words.length; at++) {
      same = words[at] === words[at - length] ? same + 1 : 0
      if (same >= length * (TIMES - 1) && same + length >= least) return true
    }
  }
  return false
}

/** Zlib does not shorten a text of fewer bytes. */
const LEAST_BYTES = 60
/** In bytes: over a long text zlib always finds similarities. */
const PIECE = 1200

/** Of zlib, for the most repetitive 1200 bytes of a text; 1 when it is too short. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text.trim())
  let most = 1
  for (let at = 0; at === 0 || at + LEAST_BYTES <= bytes.length; at += PIECE) {
    const piece = bytes.subarray(at, at + PIECE)
    if (piece.length >= LEAST_BYTES) most = Math.max(most, piece.length / deflateSync(piece).length)
  }
  return most
}
