import { lengthOf, overlap, type Span } from '../../shared/span.ts'

/** In seconds. Turns of different speakers may overlap. */
export interface Turn extends Span {
  speaker: string
}

/** A speaker with a smaller share of the speech is an artifact of clustering. */
const LEAST_SHARE = 0.02
/** How far away, in seconds, a turn may be to stand in for a missing one. */
const NEAR = 0.5

/**
 * Turns in order of time, without speakers that hardly speak: a turn of theirs goes to the one who speaks most within half
 * a second of it, and is dropped if there is none. When all hardly speak, all stay.
 */
export function pruneSpeakers(turns: readonly Turn[]): Turn[] {
  const ordered = turns
    .filter((turn) => turn.end > turn.start)
    .toSorted((a, b) => a.start - b.start)
  const seconds = new Map<string, number>()
  let total = 0
  for (const turn of ordered) {
    seconds.set(turn.speaker, (seconds.get(turn.speaker) ?? 0) + lengthOf(turn))
    total += lengthOf(turn)
  }
  const isReal = ({ speaker }: Turn): boolean => (seconds.get(speaker) ?? 0) >= total * LEAST_SHARE
  const real = ordered.filter(isReal)
  if (real.length === 0) return ordered
  const speakers = new Speakers(real)
  return ordered.flatMap((turn) => {
    const speaker = isReal(turn) ? turn.speaker : speakers.at(turn)
    return speaker === null ? [] : [{ ...turn, speaker }]
  })
}

/** Looks speakers up among turns in order of their starts. Fast: hours have thousands, and each word is looked up. */
export class Speakers {
  readonly #turns: readonly Turn[]
  /** For each turn the latest end of it and of all before it. */
  readonly #reached: number[] = []

  constructor(turns: readonly Turn[]) {
    this.#turns = turns
    let reached = -Infinity
    for (const { end } of turns) this.#reached.push((reached = Math.max(reached, end)))
  }

  /** The speaker of most of a span, else the nearest within half a second, else null. */
  at(span: Span): string | null {
    const shared = new Map<string, number>()
    let nearest: string | null = null
    let least = NEAR
    for (let i = this.#first(span.start - NEAR); i < this.#turns.length; i++) {
      const turn = this.#turns[i]!
      if (turn.start > span.end + NEAR) break
      const seconds = overlap(turn, span)
      if (seconds > 0) shared.set(turn.speaker, (shared.get(turn.speaker) ?? 0) + seconds)
      const distance = Math.max(turn.start - span.end, span.start - turn.end)
      if (distance < least || (distance === least && nearest === null)) {
        least = distance
        nearest = turn.speaker
      }
    }
    let most = 0
    let speaker = nearest
    for (const [name, seconds] of shared) {
      if (seconds > most) [most, speaker] = [seconds, name]
    }
    return speaker
  }

  /** The index of the first turn that may still last at `at`. */
  #first(at: number): number {
    let low = 0
    let high = this.#reached.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#reached[middle]! >= at) high = middle
      else low = middle + 1
    }
    return low
  }
}
