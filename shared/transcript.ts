import { z } from 'zod'

/**
 * The transcript in a result's metadata, as workers send it and results store it. Times are seconds from the beginning of
 * the recording; null counts as absent, as clients of the original mean it; other keys are the worker's own.
 */

const time = z.number().min(0)
/** 0 to 1. */
const share = z.number().min(0).max(1)

/** Without its keys that say nothing: null, an empty text, an empty list. */
type Plain<T> = { [K in keyof T]: Exclude<T[K], null | undefined> }

function plain<T extends { text: string }>({ text, ...rest }: T): Plain<T> {
  const said = Object.entries(rest).filter(
    ([, value]) => value !== null && value !== undefined && !isEmpty(value),
  )
  return { ...Object.fromEntries(said), text } as Plain<T>
}

function isEmpty(value: unknown): boolean {
  return value === '' || (Array.isArray(value) && value.length === 0)
}

const endsAfterStart = {
  check: ({ start, end }: { start: number; end: number }): boolean => start <= end,
  message: { path: ['end'], error: 'The end is before the start.' },
}

export const word = z
  .object({
    start: time,
    end: time,
    /** Without spaces around it. */
    text: z.string(),
    probability: share.nullish(),
  })
  .refine(endsAfterStart.check, endsAfterStart.message)
  .meta({ id: 'Word' })
  .transform(plain)

const segmentShape = {
  start: time,
  end: time,
  text: z.string(),
  /** As the engine gave it, where a vocabulary has changed it. */
  raw_text: z.string().nullish(),
  speaker: z.string().nullish(),
  words: z.array(word).nullish(),
  /** Why its text is doubtful (`repeats`, `no_speech`, …). */
  flags: z.array(z.string()).nullish(),
  /** ISO 639-1 code, where it is known for this segment. */
  language: z.string().nullish(),
  /** How sure the engine is of the words, by its own numbers. */
  confidence: share.nullish(),
  /** In most of its time another person speaks, too. */
  overlap: z.boolean().nullish(),
}

export const segment = z
  .object(segmentShape)
  .refine(endsAfterStart.check, endsAfterStart.message)
  .meta({ id: 'Segment' })
  .transform(plain)

/** Files may give a chapter any end. */
const chapter = z.object({ start: time, end: z.number(), title: z.string() })

const languageShare = z.object({ language: z.string(), share })

/** The lists of a transcript, by their items. */
export const transcriptItems = {
  segments: segment,
  chapters: chapter,
  /** Names, in the order of their first words. */
  speakers: z.string(),
  /** How much of the speech is in each, the most spoken first. */
  languages: languageShare,
}

/** The metadata of a result that has segments. */
export const transcriptMetadata = z
  .looseObject({
    segments: z.array(transcriptItems.segments).nullish(),
    chapters: z.array(transcriptItems.chapters).nullish(),
    speakers: z.array(transcriptItems.speakers).nullish(),
    languages: z.array(transcriptItems.languages).nullish(),
  })
  .meta({ id: 'TranscriptMetadata' })

export type Word = z.output<typeof word>
export type Segment = z.output<typeof segment>
export type Chapter = z.output<typeof chapter>
/** How much of the speech is in a language, 0 to 1. */
type LanguageShare = z.output<typeof languageShare>

export interface Transcript {
  /** ISO 639-1 code of the most spoken language; null: unknown. */
  language: string | null
  languageProbability?: number
  /** The most spoken first; left out where the engine does not tell. */
  languages?: LanguageShare[]
  durationSeconds: number
  segments: Segment[]
}

/** Of workers and versions that wrote freely: what does not fit is left out, the text is kept. */
const freeSegment = z
  .object({
    start: z.number().nullable().catch(null),
    end: z.number().nullable().catch(null),
    text: z.string(),
    raw_text: segmentShape.raw_text.catch(null),
    speaker: segmentShape.speaker.catch(null),
    words: segmentShape.words.catch(null),
    flags: segmentShape.flags.catch(null),
    language: segmentShape.language.catch(null),
    confidence: segmentShape.confidence.catch(null),
    overlap: segmentShape.overlap.catch(null),
  })
  .transform(plain)

/**
 * The segments of a result's metadata, by start; null: none that can be read. Any worker may have written them: a segment
 * whose times are not numbers is placed after the one before.
 */
export function segmentsOf({ segments }: Record<string, unknown>): Segment[] | null {
  if (!Array.isArray(segments)) return null
  const found: Segment[] = []
  for (const given of segments as unknown[]) {
    const read = readSegment(given, found.at(-1)?.end ?? 0)
    if (read !== null) found.push(read)
  }
  if (found.length === 0 && segments.length > 0) return null
  return found.toSorted((a, b) => a.start - b.start)
}

function readSegment(given: unknown, after: number): Segment | null {
  const fitting = segment.safeParse(given)
  if (fitting.success) return fitting.data
  const free = freeSegment.safeParse(given)
  if (!free.success) return null
  const start = Math.max(0, free.data.start ?? after)
  return { ...free.data, start, end: Math.max(start, free.data.end ?? start) }
}

/** The chapters of a result's metadata, by start; those that cannot be read are left out. */
export function chaptersOf({ chapters }: Record<string, unknown>): Chapter[] {
  if (!Array.isArray(chapters)) return []
  return (chapters as unknown[])
    .flatMap((given) => chapter.safeParse(given).data ?? [])
    .toSorted((a, b) => a.start - b.start)
}
