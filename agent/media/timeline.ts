import { RATE, type WavPart } from '../audio/wav-write.ts'

/** Sound that was decoded without a break: where it lies in what was decoded, and its time in the file. */
export interface Run {
  /** The file's own time of its first sample, in samples. */
  time: number
  samples: number
}

/** One step of putting decoded sound at its time; counts are samples, taken in order. */
export interface Step {
  kind: 'copy' | 'drop' | 'silence'
  samples: number
}

/** A stretch of the file's own time without sound, in samples. */
export interface Gap {
  from: number
  to: number
}

/** Times are rounded, and clocks of sound cards drift: what is off by less is no gap. */
const JITTER = 0.1 * RATE
/** Sound that comes so much too early is cut, as a clock that drifts wants it; more is a clock that was set back. */
const OVERLAP = 0.25 * RATE
/** A single frame is shorter. */
const ODD = 0.2 * RATE
/** Where more than this share would be cut for overlapping, the times are wrong, not the sound. */
const MOST_CUT = 0.05
/** Decoding may begin so much before what is asked for. */
const LEAD = 12 * RATE
/** A longer gap may be a clock that was set forward. */
const LONG_GAP = 10 * RATE

/** Collects what is decoded, frame by frame. Holds one run for each gap. */
export class Timeline {
  readonly runs: Run[] = []
  samples = 0
  readonly #timed: boolean

  /** @param timed whether the times of frames after the first mean anything. */
  constructor(timed = true) {
    this.#timed = timed
  }

  /** @param time NaN: nobody knows. */
  add(time: number, samples: number): void {
    this.samples += samples
    const last = this.runs.at(-1)
    if (last === undefined) this.runs.push({ time: Number.isNaN(time) ? 0 : time, samples })
    else if (this.#timed && Math.abs(time - endOf(last)) > JITTER) this.runs.push({ time, samples })
    else last.samples += samples
    this.#mend()
  }

  /** Where the sound's form changes ffmpeg gives one frame a wrong time: it belongs between those around it. */
  #mend(): void {
    const [before, odd, after] = this.runs.slice(-3)
    if (before === undefined || odd === undefined || after === undefined) return
    if (odd.samples > ODD) return
    const expected = endOf(before) + odd.samples
    if (Math.abs(after.time - expected) > OVERLAP) return
    before.samples += odd.samples + after.samples
    this.runs.splice(-2)
  }

  /** The file's own time of the end, in samples. */
  get end(): number {
    const last = this.runs.at(-1)
    return last === undefined ? 0 : endOf(last)
  }
}

function endOf({ time, samples }: Run): number {
  return time + samples
}

/** The gaps before and between runs that are so long that their clock may have been set. */
export function longGaps(runs: readonly Run[], origin: number): Gap[] {
  return runs.flatMap(({ time }, at) => {
    const before = runs[at - 1]
    const from = before === undefined ? origin : endOf(before)
    return time - from > LONG_GAP ? [{ from, to: time }] : []
  })
}

/**
 * How to put runs at their times: silence for gaps, and one after the other where the clock was set. A long gap that is
 * not among the `pauses` is a clock that was set forward.
 * @param origin the file's own time that is to be the beginning, in samples.
 * @param most how long it may become, in samples: no silence is added beyond that.
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

/** How much of a run may be cut for overlapping with the one before it. */
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

/** What the steps make of the decoded sound. */
export function wavParts(steps: readonly Step[]): WavPart[] {
  let at = 0
  return steps.flatMap(({ kind, samples }): WavPart[] => {
    if (kind === 'silence') return [{ from: null, samples }]
    const from = at
    at += samples
    return kind === 'copy' ? [{ from, samples }] : []
  })
}
