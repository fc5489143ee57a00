import { lengthOf, overlap, type Span } from '../../shared/span.ts'
import { clusterVoices, product, type Embedding } from './cluster-voices.ts'
import { joinTurns, type Turn } from './turns.ts'
import type { VoicePiece } from './voice-pieces.ts'

export interface HeardPiece extends VoicePiece {
  /** Null: too short. */
  embedding: Embedding | null
}

/** What is clustered has at least this length, in seconds: the voice of shorter speech is uncertain. */
const LEAST_CLUSTERED = 1
/** Pieces are clustered down to this share of how alike one voice in the recording is from piece to piece. */
const PURE = 0.75
/** The quantile of that: voices are not equally clear. */
const LESS_CLEAR = 0.4
/** That likeness where the recording is too short to tell it. */
const USUAL_LIKENESS = 0.5
const LEAST_PAIRS = 6
/** How far away, in seconds, the same person must be heard alone to be known in an overlap. */
const NEAR = 2

/**
 * Names the speakers of the whole recording: by the voices of the pieces, clustered once.
 * @param pieces of all windows, ascending; their speakers are those of one window.
 * @param overlaps likewise: each speaker's parts in which another speaks as well.
 * @returns in order of their starts.
 */
export function nameSpeakers(
  pieces: readonly HeardPiece[],
  overlaps: readonly Turn[],
  bounds: { min: number; max: number },
): Turn[] {
  const heard = pieces.flatMap(({ embedding, ...piece }) =>
    embedding === null ? [] : [{ ...piece, embedding, seconds: lengthOf(piece) }],
  )
  if (heard.length === 0) return []
  const long = heard.filter(
    (piece) => lengthOf(piece.heard) >= LEAST_CLUSTERED && isMiddleWithin(piece.heard, piece),
  )
  const likeness = PURE * likenessOfOne(long)
  const speakers = clusterVoices(long.length > 0 ? long : heard, { likeness, ...bounds })
  const named = heard.map((piece) => ({ ...piece, name: nearestTo(piece.embedding, speakers) }))
  const unheard = pieces.filter(({ embedding }) => embedding === null)
  const rest = [...unheard, ...overlaps].flatMap((turn) => {
    const near = named
      .filter(({ speaker }) => speaker === turn.speaker)
      .toSorted((a, b) => distance(a, turn) - distance(b, turn))[0]
    return near === undefined || distance(near, turn) > NEAR ? [] : [{ ...turn, name: near.name }]
  })
  return joinTurns(
    [...named, ...rest].map(({ start, end, name }) => ({ start, end, speaker: name })),
  )
}

/** How alike the voice of one person is from piece to piece: it is less where there is noise, more by telephone. */
function likenessOfOne(pieces: readonly (VoicePiece & { embedding: Embedding })[]): number {
  const pairs = pieces.flatMap((one, i) =>
    pieces
      .slice(i + 1, i + 4)
      .filter((next) => next.speaker === one.speaker && overlap(next.heard, one.heard) < 0.3)
      .map((next) => product(one.embedding, next.embedding)),
  )
  if (pairs.length < LEAST_PAIRS) return USUAL_LIKENESS
  return pairs.toSorted((a, b) => a - b)[Math.floor(pairs.length * LESS_CLEAR)]!
}

/** Else the next window has heard nearly the same. */
function isMiddleWithin({ start, end }: Span, piece: Span): boolean {
  const middle = (start + end) / 2
  return middle >= piece.start && middle <= piece.end
}

function nearestTo(embedding: Embedding, speakers: readonly Embedding[]): string {
  const likenesses = speakers.map((speaker) => product(embedding, speaker))
  return String(likenesses.indexOf(Math.max(...likenesses)))
}

function distance(a: Span, b: Span): number {
  return Math.max(0, a.start - b.end, b.start - a.end)
}
