/** A span of a recording in seconds. A list of them is ascending and without overlaps; two may touch. */
export interface Span {
  start: number
  end: number
}

/** Seconds, to the millisecond. */
export function roundToMs(seconds: number): number {
  return Math.round(seconds * 1000) / 1000
}

export function lengthOf({ start, end }: Span): number {
  return Math.max(0, end - start)
}

/** How many seconds a list of spans covers. */
export function totalLength(spans: readonly Span[]): number {
  return spans.reduce((sum, span) => sum + lengthOf(span), 0)
}

/** How many seconds two spans share. */
export function overlap(a: Span, b: Span): number {
  return Math.max(0, Math.min(a.end, b.end) - Math.max(a.start, b.start))
}

/** How many seconds of `span` are covered by `spans`. */
export function covered(span: Span, spans: readonly Span[]): number {
  let sum = 0
  for (let i = firstEndingAfter(spans, span.start); i < spans.length; i++) {
    const other = spans[i]!
    if (other.start >= span.end) break
    sum += overlap(span, other)
  }
  return sum
}

/** The parts of a span that none of the others covers. */
export function uncovered(span: Span, others: readonly Span[]): Span[] {
  return others.reduce<Span[]>(
    (left, other) =>
      left.flatMap(({ start, end }) =>
        other.end <= start || other.start >= end
          ? [{ start, end }]
          : [
              { start, end: Math.max(start, other.start) },
              { start: Math.min(end, other.end), end },
            ].filter((part) => part.end > part.start),
      ),
    [{ start: span.start, end: span.end }],
  )
}

/** The parts of `spans` between `from` and `to`. */
export function clip(spans: readonly Span[], from: number, to: number): Span[] {
  const inside: Span[] = []
  for (let i = firstEndingAfter(spans, from); i < spans.length; i++) {
    const { start, end } = spans[i]!
    if (start >= to) break
    const cut = { start: Math.max(start, from), end: Math.min(end, to) }
    if (cut.end > cut.start) inside.push(cut)
  }
  return inside
}

/** By binary search: a recording of hours has thousands of spans, and each is looked up. */
function firstEndingAfter(spans: readonly Span[], at: number): number {
  let low = 0
  let high = spans.length
  while (low < high) {
    const middle = (low + high) >> 1
    if (spans[middle]!.end > at) high = middle
    else low = middle + 1
  }
  return low
}
