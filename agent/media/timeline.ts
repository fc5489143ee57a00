import { RATE } from '../../shared/wav-header.ts'
import type { WavPart } from '../audio/wav-write.ts'

/** Sound decoded without a break. */
export interface Run {
  /** The file's own time of the first sample, in samples. */
  time: number
  samples: number
}

/** One step of placing decoded sound, in order; `samples` is its length. */
export interface Step {
  kind: 'copy' | 'drop' | 'silence'
  samples: number
}

/** Of the file's own time, in samples. */
export interface Gap {
  from: number
  to: number
}

/** Times are rounded, and clocks of sound cards drift: smaller offsets are no gaps. */
const JITTER = 0.1 * RATE
/** Sound that is early by less is cut, as for a drifting clock; more is a clock that was set back. */
const OVERLAP = 0.25 * RATE
/** Longer than a single frame. */
const ODD = 0.2 * RATE
/** When more than this share would be cut, the times are wrong, not the sound. */
const MOST_CUT = 0.05
/** Decoding may begin this much earlier than requested. */
const LEAD = 12 * RATE
/** A longer gap may be a clock that was set forward. */
const LONG_GAP = 10 * RATE

/** Collects decoded frames into runs without gaps. */
export class Timeline {
  readonly runs: Run[] = []
  samples = 0
  readonly #timed: boolean

  /** @param timed whether times of frames after the first are meaningful. */
  constructor(timed = true) {
    this.#timed = timed
  }

  /** @param time NaN when unknown. */
  add(time: number, samples: number): void {
    this.samples += samples
    const last = this.runs.at(-1)
    if (last === undefined) this.runs.push({ time: Number.isNaN(time) ? 0 : time, samples })
    else if (this.#timed && Math.abs(time - endOf(last)) > JITTER) this.runs.push({ time, samples })
    else last.samples += samples
    this.#mend()
  }

  /** Where the sound's form changes, ffmpeg gives one frame a wrong time: it belongs between its neighbours. */
  #mend(): void {
    const [before, odd, after] = this.runs.slice(-3)
    if (before === undefined || odd === undefined || after === undefined) return
    if (odd.samples > ODD) return
    const expected = endOf(before) + odd.samples
    if (Math.abs(after.time - expected) > OVERLAP) return
    before.samples += odd.samples + after.samples
    this.runs.splice(-2)
  }

  get end(): number {
    const last = this.runs.at(-1)
    return last === undefined ? 0 : endOf(last)
  }
}

function endOf({ time, samples }: Run): number {
  return time + samples
}

/** Gaps so long that the clock may have been set. */
export function longGaps(runs: readonly Run[], origin: number): Gap[] {
  return runs.flatMap(({ time }, at) => {
    const before = runs[at - 1]
    const from = before === undefined ? origin : endOf(before)
    return time - from > LONG_GAP ? [{ from, to: time }] : []
  })
}

/**
 * Places runs at their times: silence for gaps, no silence where the clock was set. A long gap that is not among the
 * `pauses` is a clock that was set forward.
 * @param origin the file's own time of the beginning, in samples.
 * @param most the longest result, in samples: no silence is added beyond it.
 */
export function placed(
  runs: readonly Run[],
  { origin, pauses, most }: { origin: number; pauses: readonly Gap[]; most: number },
): { steps: Step[]; clockJumps: boolean } {
  const believed = new Set(pauses.map(({ to }) => to))
  const steps: Step[] = []
  const push = (kind: Step['kind'], samples: number): void => {
    const last = steps.at(-1)
    if (samples <= 0) return
    if (last?.kind === kind) last.samples += samples
    else steps.push({ kind, samples })
  }
  const mostCut = cutFor(runs)
  let at = 0
  let shift = -origin
  let clockJumps = false
  for (const [i, { time, samples }] of runs.entries()) {
    const gap = time + shift - at
    let early = 0
    const isBelieved = gap <= LONG_GAP || believed.has(time)
    if (gap > 0 && isBelieved && at + gap + samples <= most) {
      push('silence', gap)
      at += gap
    } else if (gap < 0 && -gap <= (i === 0 ? LEAD : mostCut)) {
      early = Math.min(samples, -gap)
    } else if (gap !== 0) {
      shift -= gap
      clockJumps = true
    }
    push('drop', early)
    push('copy', samples - early)
    at += samples - early
  }
  return { steps, clockJumps }
}

function cutFor(runs: readonly Run[]): number {
  let overlapping = 0
  let all = 0
  for (const [i, { time, samples }] of runs.entries()) {
    const overlap = i === 0 ? 0 : endOf(runs[i - 1]!) - time
    if (overlap > 0 && overlap <= OVERLAP) overlapping += overlap
    all += samples
  }
  return overlapping > all * MOST_CUT ? 0 : OVERLAP
}

export function wavParts(steps: readonly Step[]): WavPart[] {
  let at = 0
  return steps.flatMap(({ kind, samples }): WavPart[] => {
    if (kind === 'silence') return [{ from: null, samples }]
    const from = at
    at += samples
    return kind === 'copy' ? [{ from, samples }] : []
  })
}
