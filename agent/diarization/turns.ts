import { lengthOf, overlap, type Span } from '../../shared/span.ts'

/** In seconds. Turns of different speakers may overlap. */
export interface Turn extends Span {
  speaker: string
}

/** A speaker with a smaller share of the speech, and less than so many seconds, is an artifact of clustering. */
const LEAST_SHARE = 0.02
const MOST_SECONDS = 20
/** How far away, in seconds, a turn may be to stand in for a missing one. */
const NEAR = 0.5
/** Shorter pauses within a turn are ignored, in seconds. */
const LEAST_PAUSE = 0.5
/** Who speaks for this share of a word speaks it, whatever shorter turn lies within it. */
const LEAST_OF_WORD = 0.25

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
  const least = Math.min(total * LEAST_SHARE, MOST_SECONDS)
  const isReal = ({ speaker }: Turn): boolean => (seconds.get(speaker) ?? 0) >= least
  const real = ordered.filter(isReal)
  if (real.length === 0) return ordered
  const speakers = new Speakers(real)
  return ordered.flatMap((turn) => {
    const speaker = isReal(turn) ? turn.speaker : speakers.at(turn)
    return speaker === null ? [] : [{ ...turn, speaker }]
  })
}

/** In order of their starts; turns of one speaker with next to no pause between them are one. */
export function joinTurns(turns: readonly Turn[]): Turn[] {
  const last = new Map<string, Turn>()
  const all: Turn[] = []
  for (const turn of turns.toSorted((a, b) => a.start - b.start)) {
    const before = last.get(turn.speaker)
    if (before !== undefined && turn.start - before.end <= LEAST_PAUSE) {
      before.end = Math.max(before.end, turn.end)
      continue
    }
    const own = { ...turn }
    last.set(turn.speaker, own)
    all.push(own)
  }
  return all
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
    return speakerAmong(this.#near(span), span)
  }

  /** As {@link at}, but a turn shorter than the word, within it, loses to who speaks for a quarter of the word. */
  ofWord(word: Span): string | null {
    const near = this.#near(word)
    const longer = near.filter(({ start, end }) => start <= word.start || end >= word.end)
    const shared = longer.reduce((sum, turn) => sum + overlap(turn, word), 0)
    return speakerAmong(shared >= lengthOf(word) * LEAST_OF_WORD ? longer : near, word)
  }

  #near({ start, end }: Span): Turn[] {
    const near: Turn[] = []
    for (let i = this.#first(start - NEAR); i < this.#turns.length; i++) {
      const turn = this.#turns[i]!
      if (turn.start > end + NEAR) break
      if (turn.end >= start - NEAR) near.push(turn)
    }
    return near
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

function speakerAmong(turns: readonly Turn[], span: Span): string | null {
  const shared = new Map<string, number>()
  let nearest: string | null = null
  let least = NEAR
  for (const turn of turns) {
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

/** Where two or more people speak at once. @param turns in order of their starts. */
export function spokenAtOnce(turns: readonly Turn[]): Span[] {
  const spans: Span[] = []
  let lasting: Turn[] = []
  for (const turn of turns) {
    lasting = lasting.filter(({ end }) => end > turn.start)
    const others = lasting.filter(({ speaker }) => speaker !== turn.speaker)
    const end = Math.min(turn.end, Math.max(...others.map((other) => other.end)))
    const last = spans.at(-1)
    if (last !== undefined && last.end >= turn.start) last.end = Math.max(last.end, end)
    else if (end > turn.start) spans.push({ start: turn.start, end })
    lasting.push(turn)
  }
  return spans
}
