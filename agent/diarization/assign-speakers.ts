import { bare, cutSegment, isTextOf } from '../../shared/cut-segment.ts'
import type { Segment } from '../../shared/transcript.ts'
import { placeChanges, smooth, type SpokenWord } from './speaker-runs.ts'
import { covered, lengthOf } from '../../shared/span.ts'
import { pruneSpeakers, Speakers, spokenAtOnce, type Turn } from './turns.ts'

/**
 * Assigns speakers to segments. A segment with words is split where the speaker changes, at the end of a sentence or clause
 * if there is one within two words. One without words, or whose words differ from its text, goes to the speaker of most of
 * it, else to the speaker before. Texts, their order and the times of the whole stay; other fields go to all pieces. A
 * piece is marked (`overlap`) if in most of its time another person speaks, too.
 * @param turns in any order; speakers with less than 2 % of the speech are ignored (`pruneSpeakers`).
 */
export function assignSpeakers<S extends Segment>(
  segments: readonly S[],
  turns: readonly Turn[],
): S[] {
  const real = pruneSpeakers(turns)
  const speakers = new Speakers(real)
  const atOnce = spokenAtOnce(real)
  let before: string | null = null
  return segments.flatMap((segment) => {
    const pieces = pieceBySpeaker(segment, speakers, before)
    before = pieces.at(-1)?.speaker ?? before
    return pieces.map((piece) =>
      covered(piece, atOnce) > lengthOf(piece) / 2 ? { ...piece, overlap: true } : piece,
    )
  })
}

function pieceBySpeaker<S extends Segment>(
  segment: S,
  speakers: Speakers,
  before: string | null,
): S[] {
  const whole = (speaker: string | null): S[] => [
    speaker === null ? segment : { ...segment, speaker },
  ]
  const { words = [] } = segment
  if (words.length < 2 || !isTextOf(segment)) return whole(speakers.at(segment) ?? before)
  const spoken: SpokenWord[] = []
  let last = before
  for (const word of words) {
    last = speakers.ofWord(word) ?? last
    spoken.push({ text: word.text, seconds: lengthOf(word), speaker: last })
  }
  // Words before the first turn go to its speaker.
  const first = spoken.find(({ speaker }) => speaker !== null)?.speaker ?? null
  const names = spoken.map(({ speaker }) => speaker ?? first)
  const settled = placeChanges(smooth(spoken.map((word, i) => ({ ...word, speaker: names[i]! }))))
  const starts = settled.flatMap(({ speaker }, i) =>
    i === 0 || speaker !== settled[i - 1]!.speaker ? [i] : [],
  )
  if (starts.length === 1) return whole(settled[0]!.speaker)
  return split(segment, starts, (i) => settled[i]!.speaker)
}

/** Cuts a segment before each of these words, the first of which is its first. */
function split<S extends Segment>(
  segment: S,
  starts: readonly number[],
  speakerOf: (word: number) => string | null,
): S[] {
  const { words = [] } = segment
  const ends: number[] = []
  for (const { text } of words) ends.push((ends.at(-1) ?? 0) + bare(text).length)
  const cuts = starts.slice(1).map((start) => ends[start - 1]!)
  return cutSegment(segment, cuts).map((piece, i) => {
    const speaker = speakerOf(starts[i]!)
    return speaker === null ? piece : { ...piece, speaker }
  })
}
