import { BOUNDS, timesOf, type Spoken, type Times } from './cue-times.ts'
import { tokensOf, type Token } from './cue-tokens.ts'
import { divide } from './divide.ts'
import { printable } from './printable.ts'
import { widthOf } from './text-width.ts'
import type { Segment } from './transcript.ts'

interface CueOptions {
  /** Columns: a wide (CJK) character counts twice. Default: 42. */
  maxLineChars?: number
  /** Default: 2. */
  maxLines?: number
  /** What is written where the speaker changes, as it takes room; default: nothing. */
  labelOf?: (speaker: string) => string
  /** The end of the recording; left out: unknown. */
  seconds?: number
}

/** What one speaker says in a cue. */
export interface Voice {
  speaker: string | undefined
  lines: Token[][]
}

export interface Cue extends Times {
  /** Several where turns are too short for a cue each. */
  voices: Voice[]
}

/** Words of one speaker, without a pause in which a cue could go on. */
interface Run {
  speaker: string | undefined
  tokens: Token[]
  /** Somebody else speaks meanwhile, so that any cue may follow another voice. */
  isShared: boolean
}

/** The words of a cue. */
interface Part extends Spoken {
  speaker: string | undefined
  tokens: Token[]
}

/** In milliseconds. */
const PAUSE = 1_000
/** Longer runs are cut between segments. */
const MOST_TOKENS = 500
/** In a batch, unless people speak at once without end. */
const MOST_RUNS = 20

/** What a cue costs beside the cut at its end: few, of like length, long enough to be read, without others' ends inside. */
const COST = { cue: 1, full: 1, tooShort: 20, tooFast: 5, inside: 1.5 } as const

/**
 * A transcript as subtitles: cues of bounded lines and times (see {@link BOUNDS}), cut where a sentence ends, else a clause,
 * else a word. Every word is kept, in its speaker's order. Only a single word can break a bound.
 * @param segments by start.
 */
export function cuesOf(segments: readonly Segment[], options: CueOptions = {}): Cue[] {
  return cuesAs(segments, options, (voices) => ({ voices }))
}

/** As {@link cuesOf}, with what `shape` makes of the voices, as a text: they take ten times its memory. */
export function cuesAs<T extends object>(
  segments: readonly Segment[],
  { maxLineChars = 42, maxLines = 2, labelOf = () => '', seconds = Infinity }: CueOptions,
  shape: (voices: Voice[]) => T,
): (Times & T)[] {
  const labelFor = (speaker: string | undefined): Token[] =>
    speaker === undefined || labelOf(speaker) === '' ? [] : [labelToken(labelOf(speaker))]
  const fitsLine = ({ speaker, width }: Part): boolean => {
    const label = labelFor(speaker)[0]
    return width + (label === undefined ? 0 : label.width + 1) <= maxLineChars
  }
  const spoken: Spoken[] = []
  const shapes: T[] = []
  let last: string | undefined
  for (const { runs, next } of batchesOf(segments, maxLineChars)) {
    const parts = runs.flatMap((run, i) => {
      const label = labelFor(run.speaker)[0]?.width ?? 0
      const until = run.isShared ? Infinity : (runs[i + 1]?.tokens[0]!.start ?? next)
      return partsOf(run, { maxLineChars, maxLines, label, until })
    })
    parts.sort((a, b) => a.start - b.start)
    for (const group of together(parts, maxLines, fitsLine)) {
      spoken.push(spokenOf(group))
      const said = group.map(({ speaker, tokens }) => {
        const label = speaker === last ? [] : labelFor(speaker)
        last = speaker
        return { speaker, lines: linesOf([...label, ...tokens], maxLineChars) }
      })
      shapes.push(shape(said))
    }
  }
  return timesOf(spoken, seconds * 1000).map((times, i) => Object.assign(times, shapes[i]!))
}

interface Batch {
  runs: Run[]
  /** When the first run after it begins. */
  next: number
}

/** Runs, in batches of which each has ended when the next begins: it bounds memory. */
function* batchesOf(segments: readonly Segment[], maxLineChars: number): Generator<Batch> {
  let runs: Run[] = []
  let reached = 0
  for (const segment of segments) {
    const tokens = tokensOf(segment, maxLineChars)
    if (tokens.length === 0) continue
    const speaker = printable(segment.speaker ?? '') || undefined
    const last = runs.at(-1)
    const { start } = tokens[0]!
    if (last !== undefined && last.speaker === speaker && goesOn(last, start)) append(last, tokens)
    else {
      if (last !== undefined && start < endOf(last)) last.isShared = true
      if (runs.length >= MOST_RUNS && start >= reached) {
        yield { runs, next: start }
        runs = []
      }
      runs.push({ speaker, tokens, isShared: start < reached })
    }
    reached = Math.max(reached, tokens.at(-1)!.end)
  }
  yield { runs, next: Infinity }
}

function endOf({ tokens }: Run): number {
  return tokens.at(-1)!.end
}

function goesOn(run: Run, start: number): boolean {
  return start - endOf(run) < PAUSE && run.tokens.length < MOST_TOKENS
}

/** Times of a run never go back. */
function append(run: Run, tokens: readonly Token[]): void {
  const ended = endOf(run)
  for (const token of tokens) {
    token.start = Math.max(token.start, ended)
    token.end = Math.max(token.end, ended)
    run.tokens.push(token)
  }
}

/** The words of each cue of a run. */
function partsOf(
  { speaker, tokens, isShared }: Run,
  {
    maxLineChars,
    maxLines,
    label,
    until,
  }: { maxLineChars: number; maxLines: number; label: number; until: number },
): Part[] {
  const ends = divide(tokens.length, (from, offer) => {
    const { start } = tokens[from]!
    let lines = 1
    let line = from === 0 || isShared ? label : 0
    let width = 0
    let inside = 0
    for (let to = from + 1; to <= tokens.length; to++) {
      const token = tokens[to - 1]!
      const isOne = to === from + 1
      const more = token.width + (line > 0 && (token.isSpaced || isOne) ? 1 : 0)
      line += more
      if (line > maxLineChars && line > more) {
        lines += 1
        line = token.width
      }
      width += more
      if (!isOne && (lines > maxLines || token.end - start > BOUNDS.most)) break
      const free = (tokens[to]?.start ?? until) - BOUNDS.gap - start
      const full = (width / (maxLineChars * maxLines)) ** 2
      offer(to, COST.cue + COST.full * full + costOfTime(free, width) + inside + token.cut)
      if (token.cut === 0) inside += COST.inside
    }
  })
  return ends.map((end, i) => {
    const own = tokens.slice(ends[i - 1] ?? 0, end)
    // After a speaker's name.
    own[0] = { ...own[0]!, isSpaced: true }
    const width = own.reduce((sum, one) => sum + one.width + (one.isSpaced ? 1 : 0), -1)
    return { speaker, tokens: own, start: own[0]!.start, end: own.at(-1)!.end, width }
  })
}

/** @param free until the next cue, in milliseconds; may be negative. */
function costOfTime(free: number, width: number): number {
  const { least, most, perSecond } = BOUNDS
  const short = Math.max(0, 1 - free / least)
  const fast = Math.max(0, (width * 1000) / (Math.max(1, Math.min(free, most)) * perSecond) - 1)
  return COST.tooShort * Math.min(2, short) + COST.tooFast * Math.min(2, fast)
}

/** Puts turns that are too short for a cue each into one, with a line each. */
function together(
  parts: readonly Part[],
  maxLines: number,
  fitsLine: (part: Part) => boolean,
): Part[][] {
  const groups: Part[][] = []
  const { least, most, gap } = BOUNDS
  let shown = -Infinity
  for (const part of parts) {
    const last = groups.at(-1) ?? []
    if (
      last.length > 0 &&
      last.length < maxLines &&
      part.start < shown + least + gap &&
      part.end - last[0]!.start <= most &&
      [...last, part].every(fitsLine)
    ) {
      last.push(part)
      continue
    }
    groups.push([part])
    shown = Math.max(part.start, shown + least + gap)
  }
  return groups
}

function spokenOf(group: readonly Part[]): Spoken {
  const end = Math.max(...group.map((part) => part.end))
  return { start: group[0]!.start, end, width: group.reduce((sum, one) => sum + one.width, 0) }
}

/** As few lines as possible, of like length, cut at clauses where that is near. */
function linesOf(tokens: Token[], maxLineChars: number): Token[][] {
  const all = tokens.reduce((sum, one) => sum + one.width + (one.isSpaced ? 1 : 0), -1)
  if (all <= maxLineChars) return [tokens]
  const ends = divide(tokens.length, (from, offer) => {
    let width = 0
    for (let to = from + 1; to <= tokens.length; to++) {
      const token = tokens[to - 1]!
      width += token.width + (to > from + 1 && token.isSpaced ? 1 : 0)
      if (width > maxLineChars && to > from + 1) break
      offer(to, 1_000 + (width / maxLineChars) ** 2 + 0.15 * token.cut)
    }
  })
  return ends.map((end, i) => tokens.slice(ends[i - 1] ?? 0, end))
}

export function textOf(tokens: readonly Token[]): string {
  return tokens.map(({ text, isSpaced }, i) => (isSpaced && i > 0 ? ` ${text}` : text)).join('')
}

/** The words after it are spaced from it. */
function labelToken(text: string): Token {
  return { text, width: widthOf(text), isSpaced: true, start: 0, end: 0, cut: 6 }
}
