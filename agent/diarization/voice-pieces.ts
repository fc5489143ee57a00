import { clip, lengthOf, uncovered, type Span } from '../../shared/span.ts'
import type { Turn } from './turns.ts'

/** A stretch of one turn in which nobody else speaks. The stretches of a turn cover it. */
export interface VoicePiece extends Turn {
  /** What of the turn its voice is taken from: pieces that follow one another share half of it. */
  heard: Span
}

/** In seconds: of 3D-Speaker's diarization (Chen et al., "3D-Speaker-Toolkit", 2024). */
const HEARD = 1.5
const STEP = 0.75

/**
 * @param turns of one window, ascending.
 * @param middle the part of the window that it answers for: the pieces are cut to it, what is heard of them is not.
 */
export function piecesOf(turns: readonly Turn[], middle: Span): VoicePiece[] {
  return turns.flatMap((turn) => {
    const others = turns.filter(({ speaker }) => speaker !== turn.speaker)
    return uncovered(turn, others)
      .flatMap((span) => pieces({ ...span, speaker: turn.speaker }))
      .flatMap((piece) =>
        clip([piece], middle.start, middle.end).map((own) => ({ ...piece, ...own })),
      )
  })
}

function pieces(turn: Turn): VoicePiece[] {
  const rest = lengthOf(turn) - HEARD
  if (rest <= 0) return [{ ...turn, heard: { start: turn.start, end: turn.end } }]
  const last = Math.ceil(rest / STEP)
  const edge = (i: number): number => turn.start + HEARD / 2 + ((i - 0.5) * rest) / last
  return Array.from({ length: last + 1 }, (_, i) => {
    const from = turn.start + (i * rest) / last
    return {
      start: i === 0 ? turn.start : edge(i),
      end: i === last ? turn.end : edge(i + 1),
      speaker: turn.speaker,
      heard: { start: from, end: from + HEARD },
    }
  })
}
