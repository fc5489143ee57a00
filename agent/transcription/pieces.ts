import { planParts, type Part } from '../audio/parts.ts'
import type { Span } from '../../shared/span.ts'
import { runAt } from './language-runs.ts'
import type { DetectedLanguage } from './language-vote.ts'
import type { Verdict } from './plausible-language.ts'
import type { Voice } from './prepared-audio.ts'
import type { DraftPart } from './transcript-draft.ts'

/** A part of a voice that is to be recognised. */
export interface Piece {
  voice: Voice
  part: Part
}

/** A part of a voice that is recognised. `start` and `end` are those of its speech. */
export interface FinishedPart extends DraftPart, Span {
  /** The voice's. */
  channel: number | null
  verdict: Verdict
}

/**
 * What is to be recognised of a recording, in order of time. Of the same voices come the same pieces, whichever of them
 * are finished.
 * @param ahead parts after `doneUntil` of their voices that are finished.
 * @param options.partSeconds the best length of a piece.
 */
export function planPieces(
  voices: readonly Voice[],
  ahead: readonly FinishedPart[],
  { partSeconds, totalSeconds }: { partSeconds: number; totalSeconds: number },
): Piece[] {
  return voices
    .flatMap((voice) => {
      const own = ahead.filter(({ channel }) => channel === voice.channel)
      const done = [{ start: 0, end: voice.doneUntil }, ...own]
      const borders = (voice.languages ?? []).map(({ start }) => start)
      const parts = planParts(voice.speech, partSeconds, totalSeconds, done, borders)
      return parts.map((part): Piece => ({ voice, part }))
    })
    .toSorted((a, b) => startOf(a) - startOf(b))
}

/** The language that was detected where a piece begins, which is that of all of it. */
export function languageOf({
  voice: { languages = [] },
  ...piece
}: Piece): DetectedLanguage | null {
  return runAt(languages, startOf(piece))
}

/** From the first speech of a piece to the last. */
export function spanOf({ part: { speech } }: Piece): Span {
  return { start: speech[0]!.start, end: speech.at(-1)!.end }
}

function startOf({ part }: Pick<Piece, 'part'>): number {
  return part.speech[0]!.start
}

/** Puts finished parts in order of time, so that a transcript does not depend on the order in which they finish. */
export class PartsInOrder {
  /** In order of time. */
  readonly #open: Piece[]
  #ahead: readonly FinishedPart[]

  /** @param pieces of `planPieces`. */
  constructor(pieces: readonly Piece[], ahead: readonly FinishedPart[]) {
    this.#open = [...pieces]
    this.#ahead = ahead.toSorted(byTime)
  }

  /** Finished parts that an unfinished one precedes. */
  get ahead(): readonly FinishedPart[] {
    return this.#ahead
  }

  finish(piece: Piece, part: FinishedPart): void {
    this.#open.splice(this.#open.indexOf(piece), 1)
    this.#ahead = [...this.#ahead, part].toSorted(byTime)
  }

  /** The next finished part that no unfinished one precedes; it is taken out. Null: there is none. */
  take(): FinishedPart | null {
    const [first] = this.#ahead
    const [open] = this.#open
    if (first === undefined) return null
    if (open !== undefined && byTime(placeOf(open), first) < 0) return null
    this.#ahead = this.#ahead.slice(1)
    return first
  }
}

type Place = Pick<FinishedPart, 'start' | 'channel'>

function placeOf(piece: Piece): Place {
  return { start: startOf(piece), channel: piece.voice.channel }
}

function byTime(a: Place, b: Place): number {
  return a.start - b.start || (a.channel ?? 0) - (b.channel ?? 0)
}
