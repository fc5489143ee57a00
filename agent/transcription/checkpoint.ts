import { z } from 'zod'
import { segment } from '../../shared/transcript.ts'
import { keptVoices, type KeptVoices } from '../diarization/kept-voices.ts'
import type { EngineInfo } from '../engines/engine.ts'
import type { RecognisedSegment } from './recognised-segment.ts'
import type { FinishedPart } from './pieces.ts'
import type { PreparedAudio } from './prepared-audio.ts'
import type { Span } from '../../shared/span.ts'
import { TranscriptDraft } from './transcript-draft.ts'

const amount = z.number().min(0)
const span = z.object({ start: amount, end: amount })
const mix = z.object({
  weights: z.array(z.number().min(-1).max(1)).max(64).nullable(),
  layout: z
    .string()
    .regex(/^[\w.()]+$/)
    .nullable(),
  gain: z.number().min(-200).max(200),
})

const finishedPart = span.extend({
  channel: z.int().nullable(),
  verdict: z.enum(['known', 'doubtful', 'mixed', 'foreign']),
  language: z.string().nullable(),
  languageProbability: z.number().exactOptional(),
  seconds: amount,
  segments: z.array(segment),
  dropped: z.int().min(0),
  warnings: z.array(z.string()),
})

/**
 * How far a recording is recognised, for the next attempt: where speech is, the text of the finished parts, and the
 * voices as far as they are computed. The coordinator only stores it. Times are seconds of the recording.
 */
const checkpoint = z.object({
  version: z.literal(1),
  /** SHA-256 of the source that it belongs to. */
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
  seconds: amount,
  finder: z.enum(['silero', 'loudness']),
  /** One voice for a recording, or one for each channel of a call. */
  voices: z
    .array(
      z.object({
        /** Agents that do not know the gain of quiet speech recognise it as it is. */
        speech: z.array(span.extend({ gain: z.number().min(0).max(100).exactOptional() })),
        /** Agents that do not know this field let the engine detect the language of each part. */
        languages: z
          .array(z.object({ start: amount, language: z.string(), probability: amount.nullable() }))
          .exactOptional(),
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
  /** Finished parts after an unfinished one. Agents that do not know this field recognise them again. */
  ahead: z.array(finishedPart).default([]),
  /**
   * What is computed of the voices, once all is recognised. Agents that do not know this field compute it again, and so
   * does one that cannot read it.
   */
  diarization: keptVoices.nullable().catch(null),
})

export type Checkpoint = Omit<z.output<typeof checkpoint>, 'ahead'> & {
  engine: EngineInfo
  segments: RecognisedSegment[]
  ahead: FinishedPart[]
}

/** A job's checkpoint; null when it is not of this source and these options, or is inconsistent. */
export function readCheckpoint(value: unknown, source: string, options: string): Checkpoint | null {
  const { data } = checkpoint.safeParse(value)
  if (data === undefined || data.source !== source || data.options !== options) return null
  return isConsistent(data) ? data : null
}

/** How far times of an engine or a VAD may go past the end, in seconds. */
const SLACK = 1

function isConsistent({ seconds, voices, segments, ahead }: z.output<typeof checkpoint>): boolean {
  const isInside = ({ start, end }: Span): boolean => start <= end && end <= seconds + SLACK
  const channels = voices.map(({ channel }) => channel).join()
  return (
    (channels === '' || channels === '0,1') &&
    voices.every(
      ({ speech, doneUntil, channel }) =>
        doneUntil <= seconds + SLACK &&
        speech.every((one, i) => isInside(one) && one.start >= (speech[i - 1]?.end ?? 0)) &&
        areWholeParts(
          ahead.filter((part) => part.channel === channel),
          speech,
          doneUntil,
        ),
    ) &&
    ahead.every(({ channel }) => voices.some((voice) => voice.channel === channel)) &&
    [...segments, ...ahead.flatMap((part) => part.segments)].every(
      (one) => isInside(one) && (one.words ?? []).every(isInside),
    )
  )
}

/** Whether parts begin and end with a span of speech, each after the one before. */
function areWholeParts(
  parts: readonly Span[],
  speech: readonly Span[],
  doneUntil: number,
): boolean {
  const starts = new Set(speech.map(({ start }) => start))
  const ends = new Set(speech.map(({ end }) => end))
  return parts.every(
    ({ start, end }, i) =>
      starts.has(start) &&
      ends.has(end) &&
      start < end &&
      start >= (parts[i - 1]?.end ?? doneUntil),
  )
}

/** The languages that the text so far is in, and the rest will be. */
export function languagesOf(checkpoint: Checkpoint | null): string[] {
  if (checkpoint === null) return []
  const { decided, voices } = checkpoint
  const detected = voices.flatMap(({ languages = [] }) => languages.map(({ language }) => language))
  return [...new Set([...(decided === null ? [] : [decided.language]), ...detected])]
}

/**
 * The checkpoint's parts to go on with, none without one. What another engine took for a language that it does not know
 * is recognised again.
 */
export function usableAhead(checkpoint: Checkpoint | null, engine: EngineInfo): FinishedPart[] {
  if (checkpoint === null) return []
  const { ahead, engine: before } = checkpoint
  return ahead.filter(({ verdict }) => verdict === 'known' || isSame(before, engine))
}

function isSame(one: EngineInfo, other: EngineInfo): boolean {
  return one.name === other.name && one.model === other.model
}

/** What an earlier attempt has computed of the voices. */
export function voicesIn(checkpoint: Checkpoint | null): KeptVoices | null {
  return checkpoint?.diarization ?? null
}

/** The draft to go on with. Where another engine made it, a warning says so. */
export function resumeDraft(checkpoint: Checkpoint, engine: EngineInfo): TranscriptDraft {
  const { heard: languages, ...state } = checkpoint
  const draft = new TranscriptDraft({ ...state, languages })
  const before = checkpoint.engine
  if (!isSame(before, engine)) {
    draft.warn(
      `Its beginning was recognised by ${before.name} (${before.model}), the rest by ${engine.name} (${engine.model}).`,
    )
  }
  return draft
}

export function checkpointOf(
  made: Pick<Checkpoint, 'source' | 'options' | 'engine' | 'track'>,
  { voices, seconds, vadMethod }: PreparedAudio,
  { decided, languages, segments, dropped, warnings }: TranscriptDraft,
  ahead: readonly FinishedPart[],
  diarization: KeptVoices | null = null,
): Checkpoint {
  return {
    version: 1,
    ...made,
    seconds,
    finder: vadMethod,
    voices: voices.map(({ channel, mix, speech, languages, doneUntil }) => ({
      channel,
      mix: { ...mix, weights: mix.weights === null ? null : [...mix.weights] },
      speech: [...speech],
      ...(languages === undefined ? {} : { languages: [...languages] }),
      doneUntil,
    })),
    decided,
    heard: structuredClone(languages),
    segments: [...segments],
    dropped,
    warnings: [...warnings],
    ahead: structuredClone([...ahead]),
    diarization,
  }
}
