import { isTextOf } from '../../shared/cut-segment.ts'
import { splitSentences } from '../../shared/sentence-segments.ts'
import { channelSpeaker, type Voice } from './prepared-audio.ts'
import type { RecognisedSegment } from './recognised-segment.ts'
import type { TranscriptDraft } from './transcript-draft.ts'

/**
 * The segments of a draft, those without word times split into sentences, within the speech of their voice, so that each
 * can have a speaker of its own. Those with word times get theirs word by word.
 */
export function splitUntimed(
  { segments, decided }: Pick<TranscriptDraft, 'segments' | 'decided'>,
  voices: readonly Voice[],
): RecognisedSegment[] {
  const language = decided?.language ?? null
  const speechOf = ({ speaker }: RecognisedSegment): Voice['speech'] =>
    voices.find(({ channel }) => channel !== null && channelSpeaker(channel) === speaker)?.speech ??
    voices[0]!.speech
  return segments.flatMap((segment) =>
    isTextOf(segment) ? [segment] : splitSentences([segment], { language, speechOf }),
  )
}
