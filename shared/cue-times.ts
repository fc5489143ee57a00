/**
 * In milliseconds, and columns a second: what broadcasters and streaming services ask for. The gap is two frames of 25 a
 * second.
 */
export const BOUNDS = { least: 834, most: 7_000, gap: 80, perSecond: 20 } as const

/** A shorter pause between two cues is closed up to the gap: it would flicker. */
const FLICKER = 500

/** In milliseconds. */
export interface Times {
  start: number
  end: number
}

/** When it is said. */
export interface Spoken extends Times {
  /** In columns. */
  width: number
}

/**
 * When cues are shown, in milliseconds: from their first word on, within the bounds, one after another with a gap. One goes
 * on after its last word for as long as it takes to read, up to the next. Where the bounds need more time than the speech
 * has, later cues begin later; before the end of the recording, earlier.
 * @param cues by start.
 * @param until the end of the recording, in milliseconds.
 */
export function timesOf(cues: readonly Spoken[], until = Infinity): Times[] {
  const { most, perSecond } = BOUNDS
  // Only a recording too short for its cues has shorter ones; and only one of moments is run over.
  const share = Math.min(1, Math.max(0.1, until / (cues.length * (BOUNDS.least + BOUNDS.gap))))
  const [least, gap] = [Math.floor(BOUNDS.least * share), Math.floor(BOUNDS.gap * share)]
  let earliest = 0
  const starts = cues.map((cue) => {
    const start = Math.max(cue.start, earliest)
    earliest = start + least + gap
    return start
  })
  let latest = cues.length * (least + gap) > until ? Infinity : Math.floor(until)
  for (let i = starts.length - 1; i >= 0 && starts[i]! > latest - least; i--) {
    starts[i] = latest - least
    latest = starts[i]! - gap
  }
  return cues.map(({ end, width }, i) => {
    const start = starts[i]!
    const wanted = Math.max(end, start + Math.max(least, (width / perSecond) * 1000))
    const next = starts[i + 1]
    const free = next === undefined ? Math.max(until, start + least) : next - gap
    const isClosed = next !== undefined && free - wanted < FLICKER
    return {
      start,
      end: Math.ceil(Math.min(start + most, isClosed ? free : Math.min(free, wanted))),
    }
  })
}
