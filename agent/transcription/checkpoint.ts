import { z } from 'zod'
import type { EngineInfo } from '../engines/engine.ts'
import type { RecognisedSegment } from './recognised-segment.ts'
import type { PreparedAudio } from './prepared-audio.ts'
import type { Span } from '../audio/span.ts'
import type { TranscriptDraft } from './transcript-draft.ts'

const amount = z.number().min(0)
const span = z.object({ start: amount, end: amount })
const word = z.object({ start: amount, end: amount, text: z.string() })
const mix = z.object({
  weights: z.array(z.number().min(-1).max(1)).max(64).nullable(),
  layout: z
    .string()
    .regex(/^[\w.()]+$/)
    .nullable(),
  gain: z.number().min(-200).max(200),
})
const segment = z.object({
  start: amount,
  end: amount,
  text: z.string(),
  speaker: z.string().exactOptional(),
  words: z.array(word).exactOptional(),
  flags: z.array(z.string()).exactOptional(),
})

/**
 * What of a recording is done, for whoever goes on after us: where speech is, and the text of the parts that are
 * finished. It travels through the coordinator, which only keeps it; instants are seconds of the recording.
 */
const checkpoint = z.object({
  version: z.literal(1),
  /** SHA-256 of the source: of another file it is worth nothing. */
  source: z.string(),
  /** The options that the text was made with, as one text. */
  options: z.string(),
  engine: z.object({
    name: z.string(),
    model: z.string(),
    device: z.string(),
    version: z.string(),
  }),
  track: z.int().min(0),
  /** How much of the track could be decoded. */
  seconds: amount,
  /** How speech was found. */
  finder: z.enum(['silero', 'loudness']),
  /** One voice for a recording, or one for each channel of a call. */
  voices: z
    .array(
      z.object({
        speech: z.array(span),
        doneUntil: amount,
        channel: z.int().nullable(),
        mix: mix.default({ weights: null, layout: null, gain: 0 }),
      }),
    )
    .min(1)
    .max(2),
  decided: z.object({ language: z.string(), probability: z.number().nullable() }).nullable(),
  heard: z.record(z.string(), z.object({ seconds: amount, weighed: amount, knownSeconds: amount })),
  segments: z.array(segment),
  dropped: z.int().min(0),
  warnings: z.array(z.string()),
})

/** A checkpoint that was read, or is to be sent. */
export type Checkpoint = z.output<typeof checkpoint> & {
  engine: EngineInfo
  segments: RecognisedSegment[]
}

/**
 * What a job's checkpoint says, when it is one of this source and these options and makes sense; else null: the work
 * begins anew. Whoever wrote it may have been another program.
 */
export function readCheckpoint(value: unknown, source: string, options: string): Checkpoint | null {
  const { data } = checkpoint.safeParse(value)
  if (data === undefined || data.source !== source || data.options !== options) return null
  return makesSense(data) ? data : null
}

/** How far an engine's or a finder's times may go past the end, in seconds. */
const SLACK = 1

function makesSense({ seconds, voices, segments }: z.output<typeof checkpoint>): boolean {
  const isInside = ({ start, end }: Span): boolean => start <= end && end <= seconds + SLACK
  const channels = voices.map(({ channel }) => channel).join()
  return (
    (channels === '' || channels === '0,1') &&
    voices.every(
      ({ speech, doneUntil }) =>
        doneUntil <= seconds + SLACK &&
        speech.every((one, i) => isInside(one) && one.start >= (speech[i - 1]?.end ?? 0)),
    ) &&
    segments.every((one) => isInside(one) && (one.words ?? []).every(isInside))
  )
}

/** What is understood at the beginning: nothing, or what the checkpoint says. */
export function draftSoFar(
  checkpoint: Checkpoint | null,
  language: string | null,
  engine: EngineInfo,
): TranscriptDraft {
  if (checkpoint === null) {
    const decided = language === null ? null : { language, probability: null }
    return { decided, heard: {}, segments: [], dropped: 0, warnings: [] }
  }
  const { decided, heard, segments, dropped } = checkpoint
  const warnings = [...checkpoint.warnings]
  const before = checkpoint.engine
  if (before.name !== engine.name || before.model !== engine.model) {
    warnings.push(
      `Its beginning was recognised by ${before.name} (${before.model}), the rest by ${engine.name} (${engine.model}).`,
    )
  }
  return {
    decided,
    heard: structuredClone(heard),
    segments: [...segments],
    dropped,
    warnings,
  }
}

/** What is done of a recording that is being recognised. */
export function checkpointOf(
  made: Pick<Checkpoint, 'source' | 'options' | 'engine' | 'track'>,
  { voices, seconds, finder }: PreparedAudio,
  draft: TranscriptDraft,
): Checkpoint {
  return {
    version: 1,
    ...made,
    seconds,
    finder,
    voices: voices.map(({ channel, mix, speech, doneUntil }) => ({
      channel,
      mix: { ...mix, weights: mix.weights === null ? null : [...mix.weights] },
      speech: [...speech],
      doneUntil,
    })),
    ...draft,
    heard: structuredClone(draft.heard),
    segments: [...draft.segments],
  }
}
