import { timeInSpans } from '../audio/parts.ts'
import { lengthOf, roundToMs, totalLength, type Span } from '../audio/span.ts'

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

/** Where clauses end, in seconds of speech. */
function endsOf(clauses: readonly Clause[], pauses: readonly Pause[], total: number): number[] {
  const sizes = [0]
  for (const { size } of clauses) sizes.push(sizes.at(-1)! + size)
  const pace = total / sizes.at(-1)!
  const begin: Anchor = { clauses: 0, pauses: 0, at: 0, cost: 0, before: null }
  const anchors = [begin]
  const reach = (clauseCount: number, pauseCount: number, at: number): Anchor | null => {
    let best: Anchor | null = null
    for (const before of anchors) {
      const [size, length] = [sizes[clauseCount]! - sizes[before.clauses]!, at - before.at]
      if (before.clauses >= clauseCount || before.pauses >= pauseCount || length <= 0) continue
      const isFar =
        clauseCount - before.clauses > MOST_CLAUSES || pauseCount - before.pauses > MOST_PAUSES
      // The first anchor is always in reach: there is a way in any case.
      if (isFar && before !== begin) continue
      const passed = pauses.slice(before.pauses, pauseCount - 1)
      const joined = clauses.slice(before.clauses, clauseCount - 1)
      const cost =
        before.cost +
        paceCost(size, length, pace) +
        sum(passed, midCost) +
        sum(joined, unpausedCost)
      if (best === null || cost < best.cost) {
        best = { clauses: clauseCount, pauses: pauseCount, at, cost, before }
      }
    }
    return best
  }
  for (const [p, pause] of pauses.entries()) {
    const found: Anchor[] = []
    for (let c = 1; c < clauses.length; c++) {
      const anchor = reach(c, p + 1, pause.at)
      if (anchor === null) continue
      found.push({ ...anchor, cost: anchor.cost + pausedCost(clauses[c - 1]!, pause) })
    }
    anchors.push(...found)
  }
  return placed(reach(clauses.length, pauses.length + 1, total), sizes)
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

function sum<T>(list: readonly T[], cost: (one: T) => number): number {
  return list.reduce((all, one) => all + cost(one), 0)
}
