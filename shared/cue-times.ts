import type { Cue } from './cues.ts'

/** Shorter than this, in seconds, most players show no cue at all. */
const LEAST = 0.02
/** The least length for a cue without one; otherwise its reading time. */
const LEAST_GIVEN = 0.5
const CHARACTERS_PER_SECOND = 20
/** A year: larger times are broken. */
const MOST_SECONDS = 31_536_000

/**
 * Gives every cue a start of at least 0 and a length. One without takes the pause after it, up to its reading time, and
 * overlaps the next cue if the pause is too short. Cues without a length at the same moment follow one another. Sorted by
 * start (https://www.w3.org/TR/webvtt1/#webvtt-file-body).
 */
export function visible<C extends Cue>(cues: readonly C[]): C[] {
  const shown: C[] = []
  for (let from = 0; from < cues.length;) {
    const start = clamp(cues[from]!.start)
    const end = clamp(cues[from]!.end)
    if (end - start >= LEAST) {
      shown.push({ ...cues[from]!, start, end })
      from += 1
      continue
    }
    let to = from + 1
    while (to < cues.length && isAt(cues[to]!, start)) to += 1
    const run = cues.slice(from, to)
    const wanted = run.reduce((sum, cue) => sum + readingTime(cue), 0)
    const pause = to < cues.length ? clamp(cues[to]!.start) - start : wanted
    const seconds = pause >= run.length * LEAST_GIVEN ? Math.min(pause, wanted) : wanted
    let at = start
    for (const cue of run) {
      const next = at + (readingTime(cue) * seconds) / wanted
      shown.push({ ...cue, start: at, end: next })
      at = next
    }
    from = to
  }
  return shown.toSorted((a, b) => a.start - b.start)
}

function isAt({ start, end }: Cue, moment: number): boolean {
  const from = clamp(start)
  return clamp(end) - from < LEAST && Math.abs(from - moment) < LEAST
}

function readingTime({ lines }: Cue): number {
  return Math.max(LEAST_GIVEN, lines.join(' ').length / CHARACTERS_PER_SECOND)
}

function clamp(seconds: number): number {
  return Math.min(MOST_SECONDS, Math.max(0, seconds))
}
