/** Chance that can be repeated (mulberry32): the same seed gives the same numbers, 0 ≤ n < 1. */
export function seededRandom(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

/** Bytes that no format fits, the same for the same seed: truly random ones look like some format once in a hundred runs. */
export function seededBytes(seed: number, size: number): Buffer {
  const random = seededRandom(seed)
  return Buffer.from(Uint8Array.from({ length: size }, () => random() * 256))
}

/** One of these. */
export function pick<T>(random: () => number, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)]!
}
