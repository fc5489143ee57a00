import { deflateSync } from 'node:zlib'
import { wordsIn } from './words.ts'

/** So many words at most are looked for as one that is repeated. */
const LONGEST_PHRASE = 8
const TIMES = 3
/** "No, no, no" is said; a loop goes on for longer … */
const LEAST_WORDS = 8
/** … and leaves room for little else. */
const LEAST_SHARE = 0.5

/**
 * Whether most of a text is the same phrase of up to eight words, three times or more in a row and eight words or more
 * in all.
 */
export function isLoop(text: string): boolean {
  const words = wordsIn(text)
  const least = Math.max(LEAST_WORDS, words.length * LEAST_SHARE)
  for (let length = 1; length <= LONGEST_PHRASE; length++) {
    // A word that is the same as the one a phrase before: so many of them in a row.
    let same = 0
    for (let at = length; at < words.length; at++) {
      same = words[at] === words[at - length] ? same + 1 : 0
      if (same >= length * (TIMES - 1) && same + length >= least) return true
    }
  }
  return false
}

/** Shorter than this, in bytes, a text is not made shorter by zlib, whatever it is. */
const LEAST_BYTES = 60
/** Zlib looks back far: what is long enough is always somewhat like what was before. */
const PIECE = 1200

/** How many times longer a text is than zlib makes it, in its most repetitive 1200 bytes; 1 when it is too short. */
export function compressionRatio(text: string): number {
  const bytes = Buffer.from(text.trim())
  let most = 1
  for (let at = 0; at === 0 || at + LEAST_BYTES <= bytes.length; at += PIECE) {
    const piece = bytes.subarray(at, at + PIECE)
    if (piece.length >= LEAST_BYTES) most = Math.max(most, piece.length / deflateSync(piece).length)
  }
  return most
}
