import { RATE, type WavPart } from './wav-write.ts'

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
/** Decoding may begin so much before what is asked for. */
const LEAD = 12 * RATE
/** A longer gap may be a clock that was set forward. */
const LONG_GAP = 10 * RATE

/** Collects what is decoded, packet by packet. Holds one run for each gap. */
export class Timeline {
  readonly runs: Run[] = []
  samples = 0
  #end = NaN

  add(time: number, samples: number): void {
    const last = this.runs.at(-1)
    if (last !== undefined && Math.abs(time - this.#end) <= JITTER) last.samples += samples
    else this.runs.push({ time, samples })
    const run = this.runs.at(-1)!
    this.#end = run.time + run.samples
    this.samples += samples
  }

  /** The file's own time of the end, in samples. */
  get end(): number {
    return this.runs.length === 0 ? 0 : this.#end
  }
}

/** The gaps before and between runs that are so long that their clock may have been set. */
export function longGaps(runs: readonly Run[], origin: number): Gap[] {
  return runs.flatMap(({ time }, at) => {
    const before = runs[at - 1]
    const from = before === undefined ? origin : before.time + before.samples
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
    } else if (gap < 0 && -gap <= (i === 0 ? LEAD : OVERLAP)) {
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
