import type { Segment, Word } from '../../shared/transcript.ts'
import { roundToMs, totalLength, type Span } from '../../shared/span.ts'

/** What the engine gets at once: spans of a recording with speech in them, joined to one piece of audio. */
export interface Part {
  /** The spans that are joined, in seconds of the recording: ascending and apart from each other. */
  audio: readonly Span[]
  speech: readonly Span[]
}

/** A pause up to this length is kept: pauses help an engine to find sentences. */
const KEEP_GAP = 4
/** What is kept of a longer one, on each side: enough that no word spans it. */
const KEEP_SIDE = 1
/** What a part has around its first and last speech, if available. */
const PAD = 0.5
/** A part is not closed before it is filled to this share. */
const LEAST_SHARE = 0.5

/**
 * Divides speech into parts of up to `partSeconds` of audio each, cut at the longest pause in the allowed range. A part
 * depends only on where it begins, so that a resumed attempt continues with the same parts.
 * @param speech ascending, apart or touching, in seconds.
 * @param totalSeconds how long the recording is.
 * @param done the speech that begins in these spans is in no part. Where they are parts of another plan, a part ends
 * before the next of them.
 * @param borders times, ascending, at which a new part begins in any case.
 */
export function planParts(
  speech: readonly Span[],
  partSeconds: number,
  totalSeconds: number,
  done: readonly Span[] = [],
  borders: readonly number[] = [],
): Part[] {
  const parts: Part[] = []
  const isDone = speech.map(({ start }) =>
    done.some((one) => one.start <= start && start < one.end),
  )
  for (let from = isDone.indexOf(false); from >= 0;) {
    const end = endOfPart(speech, from, partSeconds, nextBorder(speech, from, borders))
    const next = isDone.indexOf(true, from)
    const to = next < 0 ? end : Math.min(next, end)
    parts.push(partOf(speech, from, to, totalSeconds))
    from = isDone.indexOf(false, to)
  }
  return parts
}

/** The part from span `from` until before span `to`. */
function partOf(speech: readonly Span[], from: number, to: number, totalSeconds: number): Part {
  const spans = speech.slice(from, to)
  const { start, end } = padded(speech, from, to, PAD, totalSeconds)
  return { audio: audioOf(spans, start, end), speech: spans }
}

/** The spans from index `from` to before `to`, with silence around them: up to `pad`, or half the pause to a neighbour. */
export function padded(
  speech: readonly Span[],
  from: number,
  to: number,
  pad: number,
  totalSeconds: number,
): Span {
  const padding = (silence: number): number => Math.min(pad, Math.max(0, silence))
  const [before, after] = [speech[from - 1]?.end, speech[to]?.start]
  const { start } = speech[from]!
  const { end } = speech[to - 1]!
  return {
    start: start - padding(before === undefined ? start : (start - before) / 2),
    end: end + padding(after === undefined ? totalSeconds - end : (after - end) / 2),
  }
}

/** Of a part's piece of audio, in seconds. */
export function lengthOf(part: Part): number {
  return totalLength(part.audio)
}

/** Index of the first span after span `from` that lies behind a border; the number of spans: none. */
function nextBorder(speech: readonly Span[], from: number, borders: readonly number[]): number {
  const border = borders.find((one) => one > speech[from]!.start)
  if (border === undefined) return speech.length
  const to = speech.findIndex(({ start }, at) => at > from && start >= border)
  return to < 0 ? speech.length : to
}

/**
 * Index of the first span that is not in the part that begins with span `from`: the cut is at the longest pause.
 * @param limit what it is at most.
 */
export function endOfPart(
  speech: readonly Span[],
  from: number,
  partSeconds: number,
  limit = speech.length,
): number {
  let length = speech[from]!.end - speech[from]!.start
  let best = from + 1
  let longest = -1
  for (let at = from + 1; at < limit; at++) {
    const gap = speech[at]!.start - speech[at - 1]!.end
    if (length >= partSeconds * LEAST_SHARE && gap >= longest) {
      longest = gap
      best = at
    }
    length += Math.min(gap, KEEP_GAP) + speech[at]!.end - speech[at]!.start
    if (length > partSeconds) return longest < 0 ? at : best
  }
  return limit
}

function audioOf(spans: readonly Span[], start: number, end: number): Span[] {
  const audio: Span[] = [{ start, end }]
  for (const [i, span] of spans.entries()) {
    const before = spans[i - 1]
    if (before === undefined || span.start - before.end <= KEEP_GAP) continue
    audio.at(-1)!.end = before.end + KEEP_SIDE
    audio.push({ start: span.start - KEEP_SIDE, end })
  }
  return audio
}

/** The speech in a part's piece of audio, in seconds of the piece. */
export function speechInPiece(part: Part): Span[] {
  return part.speech.map(({ start, end }) => ({
    start: toPiece(part, start),
    end: toPiece(part, end),
  }))
}

function toPiece({ audio }: Part, at: number): number {
  let before = 0
  for (const { start, end } of audio) {
    if (at <= end) return before + Math.max(0, at - start)
    before += end - start
  }
  return before
}

/**
 * The time that is `at` seconds into joined spans; at a joint, `side` says to which of them it belongs.
 * @param spans at least one.
 */
export function timeInSpans(spans: readonly Span[], at: number, side: 'start' | 'end'): number {
  let before = 0
  for (const { start, end } of spans) {
    const length = end - start
    const within = side === 'start' ? at < before + length : at <= before + length
    if (within) return start + Math.max(0, at - before)
    before += length
  }
  return spans.at(-1)!.end
}

/**
 * The segments of a part's piece at their times in the recording: to the millisecond, ascending, within the part. A time
 * that is not a number becomes the one before it. A segment across a joint is cut there if it has words.
 */
export function restore<S extends Segment>(part: Part, segments: readonly S[]): S[] {
  const restored: S[] = []
  const length = lengthOf(part)
  let reached = part.audio[0]!.start
  const ordered = timed(segments).toSorted((a, b) => a.start - b.start)
  for (const segment of ordered.flatMap((one) => cutAtJoints(part, one))) {
    const from = Math.min(segment.start, length)
    const start = Math.max(reached, timeInSpans(part.audio, from, 'start'))
    const end = Math.max(start, timeInSpans(part.audio, Math.min(segment.end, length), 'end'))
    const words = segment.words?.map((word) => inside(part, word, start, end))
    restored.push({
      ...segment,
      start: roundToMs(start),
      end: roundToMs(end),
      ...(words === undefined ? {} : { words }),
    })
    reached = end
  }
  return restored
}

function timed<S extends Segment>(segments: readonly S[]): S[] {
  let reached = 0
  const known = (at: number): number => (reached = Number.isFinite(at) ? at : reached)
  return segments.map((segment) => {
    const start = known(segment.start)
    const words = segment.words?.map((word) => ({
      ...word,
      start: known(word.start),
      end: known(word.end),
    }))
    const end = (reached = Math.max(start, known(segment.end)))
    return { ...segment, start, end, ...(words === undefined ? {} : { words }) }
  })
}

function inside(part: Part, word: Word, from: number, to: number): Word {
  const clamp = (at: number): number => Math.min(to, Math.max(from, at))
  const start = clamp(timeInSpans(part.audio, word.start, 'start'))
  const end = clamp(Math.max(start, timeInSpans(part.audio, word.end, 'end')))
  return { ...word, start: roundToMs(start), end: roundToMs(end) }
}

function cutAtJoints<S extends Segment>(part: Part, segment: S): S[] {
  const { words } = segment
  if (words === undefined || words.length < 2 || part.audio.length < 2) return [segment]
  const groups: Word[][] = []
  let span = -1
  for (const word of words) {
    const of = spanIndex(part, (word.start + word.end) / 2)
    if (of !== span) groups.push([])
    span = of
    groups.at(-1)!.push(word)
  }
  if (groups.length === 1) return [segment]
  return groups.map((group, i) => ({
    ...segment,
    start: i === 0 ? segment.start : group[0]!.start,
    end: i === groups.length - 1 ? segment.end : group.at(-1)!.end,
    text: group.map(({ text }) => text.trim()).join(segment.text.trim().includes(' ') ? ' ' : ''),
    words: group,
  }))
}

function spanIndex({ audio }: Part, at: number): number {
  let before = 0
  for (const [i, { start, end }] of audio.entries()) {
    before += end - start
    if (at < before) return i
  }
  return audio.length - 1
}
