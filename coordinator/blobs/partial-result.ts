import { z } from 'zod'
import { sentenceSegments } from '../../shared/sentence-segments.ts'
import { renderMarkdown, speakersOf } from '../../shared/transcript-markdown.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'
import type { Job, ResultBody } from '../job/job.ts'

/** What an agent's checkpoint says to readers; the rest of it is the agent's own. Times are seconds of the recording. */
const checkpoint = z.object({
  seconds: z.number().min(0),
  decided: z.object({ language: z.string() }).nullable().catch(null),
  /** One for a recording, or one for each channel of a call. */
  voices: z.array(
    z.object({
      speech: z.array(z.object({ start: z.number(), end: z.number() })),
      doneUntil: z.number(),
    }),
  ),
  /** Those of the parts that are finished with all parts before them. */
  segments: z.array(z.unknown()),
})

/** The job's part in its unfinished result. */
export interface PartialFacts {
  filename: string
  contentType: string
  /** By channel; null: the job does not ask for speakers. */
  speakerNames: readonly string[] | null
}

export function partialFactsOf({ source, contentType, taskOptions }: Job): PartialFacts {
  const { diarize, speaker_names: names } = taskOptions
  const speakerNames = z.array(z.string()).safeParse(names).data
  return {
    filename: source.filename,
    contentType,
    speakerNames: speakerNames ?? (diarize === true ? [] : null),
  }
}

/**
 * What is recognised of a recording, from its beginning up to the first part that is not: a later one that is finished
 * waits for it. Without what follows recognition: diarization, and names put right. Null: no text yet.
 */
export function partialResult(given: unknown, facts: PartialFacts): ResultBody | null {
  const { data } = checkpoint.safeParse(given)
  if (data === undefined) return null
  const language = data.decided?.language ?? null
  const named = (segmentsOf(data) ?? []).map((one) => withName(one, facts.speakerNames))
  const segments = sentenceSegments(named, { language })
  if (segments.length === 0) return null
  const content = renderMarkdown({
    kind: facts.contentType === 'video' ? 'video' : 'audio',
    filename: facts.filename,
    durationSeconds: data.seconds,
    language,
    segments,
    chapters: [],
    video: null,
    audio: null,
  })
  const metadata = {
    partial: true,
    recognised_until: recognisedUntil(data),
    duration: data.seconds,
    language,
    file_name: facts.filename,
    speakers: speakersOf(segments),
    segments,
  }
  return { content, metadata }
}

/** `channel 0` by the name that the job gives it. */
function withName({ speaker, ...rest }: Segment, names: PartialFacts['speakerNames']): Segment {
  if (speaker === undefined || names === null) return rest
  const channel = Number(/^channel (\d+)$/.exec(speaker)?.[1])
  return { ...rest, speaker: names[channel] ?? speaker }
}

/** Up to where nothing that is said is missing, in seconds. */
function recognisedUntil({ voices, seconds }: z.output<typeof checkpoint>): number {
  const open = voices.flatMap(({ speech, doneUntil }) =>
    speech
      .filter(({ end }) => end > doneUntil)
      .slice(0, 1)
      .map(({ start }) => Math.max(start, doneUntil)),
  )
  return Math.min(seconds, ...open)
}
