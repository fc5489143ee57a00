import { z } from 'zod'
import { writeJson } from '../../shared/exact-json.ts'
import { renderForm, type Form, type RenderOptions } from '../../shared/forms.ts'
import { sentenceSegments } from '../../shared/sentence-segments.ts'
import { renderMarkdown, speakersOf } from '../../shared/transcript-markdown.ts'
import { segmentsOf, type Segment } from '../../shared/transcript.ts'
import type { Job } from '../job/job.ts'

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

const NOTHING: z.output<typeof checkpoint> = { seconds: 0, decided: null, voices: [], segments: [] }
const NOT_YET = 'Nothing of it is recognised yet: ask again in a few seconds.'

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

/** An unfinished result in a form. */
export interface PartialForm {
  facts: PartialFacts
  /** `result`: text and metadata as JSON. */
  form: Form | 'result'
  options: RenderOptions
}

export interface PartialText {
  recognisedUntil: number
  segments: { start: number; end: number; text: string; speaker: string | null }[]
}

/** @param given a checkpoint; null: there is none. */
export function partialForm(
  given: unknown,
  { facts, form, options }: PartialForm,
): { text: string; isEmpty: boolean } {
  const body = partialResult(given, facts)
  const text = form === 'result' ? writeJson(body) : renderForm(form, body, options)
  return { text, isEmpty: body.metadata.segments.length === 0 }
}

export function partialText(given: unknown, facts: PartialFacts): PartialText {
  const { segments, recognised_until: recognisedUntil } = partialResult(given, facts).metadata
  const short = segments.map(({ start, end, text, speaker = null }) => {
    return { start, end, text, speaker }
  })
  return { recognisedUntil, segments: short }
}

/**
 * What is recognised of a recording, from its beginning up to the first part that is not: a later one that is finished
 * waits for it. Without what follows recognition: diarization, and names put right.
 */
export function partialResult(given: unknown, facts: PartialFacts) {
  const data = checkpoint.safeParse(given).data ?? NOTHING
  const { seconds } = data
  const language = data.decided?.language ?? null
  const named = (segmentsOf(data) ?? []).map((one) => withName(one, facts.speakerNames))
  const segments = sentenceSegments(named, { language })
  const content = renderMarkdown({
    kind: facts.contentType === 'video' ? 'video' : 'audio',
    filename: facts.filename,
    durationSeconds: seconds,
    language,
    segments,
    chapters: [],
    video: null,
    audio: null,
  })
  const metadata = {
    partial: true,
    recognised_until: recognisedUntil(data),
    duration: seconds,
    language,
    file_name: facts.filename,
    speakers: speakersOf(segments),
    segments,
    ...(segments.length === 0 && { warnings: [NOT_YET] }),
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
