import { timeInSpans } from '../audio/parts.ts'
import { lengthOf, roundToMs, totalLength, type Span } from '../../shared/span.ts'

/**
 * The times of sentences that fill the speech. People pause after most sentences and some clauses: of all ways to put the
 * ends of clauses into pauses, the likeliest is taken, where clauses take time by their characters. An end that is in no
 * pause is placed by characters alone.
 * @param speech in seconds, ascending, not empty.
 */
export function sentenceTimes(sentences: readonly string[], speech: readonly Span[]): Span[] {
  const clauses = sentences.flatMap(clausesIn)
  const total = totalLength(speech)
  const ends = endsOf(clauses, pausesIn(speech), total)
  let from = 0
  return clauses.flatMap(({ isLast }, i) => {
    if (!isLast) return []
    const to = ends[i]!
    const start = timeInSpans(speech, from, 'start')
    const end = Math.max(start, timeInSpans(speech, to, 'end'))
    from = to
    return [{ start: roundToMs(start), end: roundToMs(end) }]
  })
}

interface Clause {
  /** Characters. */
  size: number
  /** Whether it ends its sentence. */
  isLast: boolean
}

interface Pause {
  /** In seconds of speech. */
  at: number
  length: number
}

function clausesIn(sentence: string): Clause[] {
  const parts = sentence.split(/(?<=[,;:—]\s|[，、；：])/u)
  return parts.map((part, i) => ({
    size: Math.max(1, part.match(/[\p{L}\p{N}\s]/gu)?.length ?? 0),
    isLast: i === parts.length - 1,
  }))
}

function pausesIn(speech: readonly Span[]): Pause[] {
  let at = 0
  return speech.slice(1).map(({ start }, i) => {
    const before = speech[i]!
    at += lengthOf(before)
    return { at, length: start - before.end }
  })
}

/** A place where a clause ends in a pause: the best way to get there. */
interface Anchor {
  /** How many clauses end up to here, and how many pauses are passed. */
  clauses: number
  pauses: number
  at: number
  /** The less, the likelier: a negative logarithm. */
  cost: number
  before: Anchor | null
}

/** How far back the anchor before is looked for. */
const MOST_CLAUSES = 12
const MOST_PAUSES = 12

/** Where clauses end, in seconds of speech. Each end looks at most 12 by 12 anchors back: long texts take their length in time. */
function endsOf(clauses: readonly Clause[], pauses: readonly Pause[], total: number): number[] {
  const sizes = sumsOf(clauses, ({ size }) => size)
  const [unpaused, passed] = [sumsOf(clauses, unpausedCost), sumsOf(pauses, midCost)]
  const pace = total / sizes.at(-1)!
  const begin: Anchor = { clauses: 0, pauses: 0, at: 0, cost: 0, before: null }
  /** By the pauses that are passed, then by the clauses that end. */
  const anchors: (Anchor | undefined)[][] = [[begin]]
  const reach = (c: number, p: number, at: number): Anchor | null => {
    let best: Anchor | null = null
    const look = (before: Anchor | undefined): void => {
      if (before === undefined || at <= before.at) return
      const cost =
        before.cost +
        paceCost(sizes[c]! - sizes[before.clauses]!, at - before.at, pace) +
        (passed[p - 1]! - passed[before.pauses]!) +
        (unpaused[c - 1]! - unpaused[before.clauses]!)
      if (best === null || cost < best.cost) best = { clauses: c, pauses: p, at, cost, before }
    }
    // The first anchor is always in reach: there is a way in any case.
    look(begin)
    for (let q = Math.max(1, p - MOST_PAUSES); q < p; q++) {
      for (let b = Math.max(1, c - MOST_CLAUSES); b < c; b++) look(anchors[q]?.[b])
    }
    return best
  }
  for (const [i, pause] of pauses.entries()) {
    const row: (Anchor | undefined)[] = []
    for (let c = 1; c < clauses.length; c++) {
      const anchor = reach(c, i + 1, pause.at)
      if (anchor !== null) {
        row[c] = { ...anchor, cost: anchor.cost + pausedCost(clauses[c - 1]!, pause) }
      }
    }
    anchors[i + 1] = row
  }
  return placed(reach(clauses.length, pauses.length + 1, total), sizes)
}

/** The sums of the first 0, 1, 2, … of a list. */
function sumsOf<T>(list: readonly T[], of: (one: T) => number): number[] {
  const sums = [0]
  for (const one of list) sums.push(sums.at(-1)! + of(one))
  return sums
}

/** Between two anchors by characters. */
function placed(last: Anchor | null, sizes: readonly number[]): number[] {
  const ends: number[] = []
  for (let to = last; to !== null && to.before !== null; to = to.before) {
    const from = to.before
    const size = sizes[to.clauses]! - sizes[from.clauses]!
    for (let c = to.clauses; c > from.clauses; c--) {
      const share = (sizes[c]! - sizes[from.clauses]!) / size
      ends.unshift(from.at + (to.at - from.at) * share)
    }
  }
  return ends
}

/** Of that many characters in so many seconds: short clauses differ more from the usual pace than long ones. */
function paceCost(size: number, length: number, pace: number): number {
  const deviation = Math.log(length / (size * pace))
  return deviation ** 2 / (2 * (0.03 + 1 / size))
}

/** Of a pause after a clause: nine of ten sentences have one, and half of the other clauses, a short one. */
function pausedCost({ isLast }: Clause, { length }: Pause): number {
  return isLast ? 0.1 : 0.7 + Math.min(1, length)
}

function unpausedCost({ isLast }: Clause): number {
  return isLast ? 2.3 : 0.7
}

/** Of a pause within a clause. */
function midCost({ length }: Pause): number {
  return 2 + 2 * Math.min(1, length)
}
