import type { Segment } from '../../shared/transcript.ts'
import { placeChanges, smooth, type Said } from './speaker-runs.ts'
import { lengthOf } from '../audio/span.ts'
import { Speakers, pruneSpeakers, type Turn } from './turns.ts'

/**
 * Segments with who says them. One with words is split where the speaker changes, at the end of a sentence or clause when
 * there is one within two words; one without, or whose words are not its text, goes to who speaks most of it. Where nobody does, it
 * is who spoke before. Texts, their order and the times of the whole stay; whatever else a segment has goes to all its
 * pieces. Without turns nothing is changed.
 * @param turns in any order; speakers with less than 2 % of the speech are not believed (`pruneSpeakers`).
 */
export function assignSpeakers<S extends Segment>(
  segments: readonly S[],
  turns: readonly Turn[],
): S[] {
  const speakers = new Speakers(pruneSpeakers(turns))
  let before: string | null = null
  return segments.flatMap((segment) => {
    const pieces = pieceBySpeaker(segment, speakers, before)
    before = pieces.at(-1)?.speaker ?? before
    return pieces
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
  const said: Said[] = []
  let last = before
  for (const word of words) {
    last = speakers.at(word) ?? last
    said.push({ text: word.text, seconds: lengthOf(word), speaker: last })
  }
  // Who speaks before the first turn is who is first heard.
  const first = said.find(({ speaker }) => speaker !== null)?.speaker ?? null
  const names = said.map(({ speaker }) => speaker ?? first)
  const settled = placeChanges(smooth(said.map((word, i) => ({ ...word, speaker: names[i]! }))))
  const starts = settled.flatMap(({ speaker }, i) =>
    i === 0 || speaker !== settled[i - 1]!.speaker ? [i] : [],
  )
  if (starts.length === 1) return whole(settled[0]!.speaker)
  return split(segment, starts, (i) => settled[i]!.speaker)
}

/** Whether the words are all of the text: then it can be cut between them without losing any. */
function isTextOf({ text, words = [] }: Segment): boolean {
  return bare(text) === bare(words.map((word) => word.text).join(''))
}

function bare(text: string): string {
  return text.replace(/\s+/gu, '')
}

/** A segment cut before each of these words, the first of which is its first. */
function split<S extends Segment>(
  segment: S,
  starts: readonly number[],
  speakerOf: (word: number) => string | null,
): S[] {
  const { words = [] } = segment
  const texts = cutText(
    segment.text,
    starts.map(
      (start, i) =>
        bare(
          words
            .slice(start, starts[i + 1])
            .map(({ text }) => text)
            .join(''),
        ).length,
    ),
  )
  let reached = segment.start
  return starts.map((from, i) => {
    const own = words.slice(from, starts[i + 1])
    const isLast = i === starts.length - 1
    const within = (at: number): number => Math.min(segment.end, Math.max(reached, at))
    const start = i === 0 ? segment.start : within(own[0]!.start)
    reached = start
    const next = words[starts[i + 1] ?? words.length]?.start ?? segment.end
    const end = isLast ? segment.end : within(Math.min(own.at(-1)!.end, Math.max(next, start)))
    reached = end
    const speaker = speakerOf(from)
    return {
      ...segment,
      start,
      end,
      text: texts[i]!,
      words: own,
      ...(speaker === null ? {} : { speaker }),
    }
  })
}

/** Pieces of a text with so many characters each, spaces not counted; the spaces between two belong to none. */
function cutText(text: string, lengths: readonly number[]): string[] {
  let at = 0
  return lengths.map((length) => {
    const from = at
    for (let left = length; at < text.length && left > 0; at++) {
      if (!/\s/u.test(text[at]!)) left--
    }
    return text.slice(from, at).trim()
  })
}
