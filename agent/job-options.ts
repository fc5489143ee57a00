import { z } from 'zod'
import { chunkOverlap, chunkTokens } from '../shared/chunks.ts'
import { AppError, messageOf } from '../shared/errors.ts'
import { FORMS, type Form } from '../shared/forms.ts'
import { oneLine } from '../shared/render.ts'
import { SUBTITLE_OPTIONS, SUBTITLE_OPTION_NAMES } from '../shared/subtitle-options.ts'
import { readVocabulary, type GivenTerm, type Term } from '../shared/vocabulary.ts'

/** The options of a job, checked; null (or empty `formats`): not set. */
export interface JobOptions {
  /** A code like `de` or `pt-BR`; null: detected. */
  language: string | null
  /** Codes to choose from; null: any. */
  languages: string[] | null
  task: 'transcribe' | 'translate' | null
  /** As the job names it: look it up in the agent's own list. */
  model: string | null
  prompt: string | null
  hotwords: string | null
  vocabulary: Term[] | null
  diarize: boolean | null
  /** 1 to 20, and not more than `maxSpeakers`. */
  minSpeakers: number | null
  maxSpeakers: number | null
  /** By channel, of a call. */
  speakerNames: string[] | null
  wordTimestamps: boolean | null
  /** An index among the file's audio tracks, from 0, a language code, or `mix` for all of them at once. */
  audioTrack: number | string | null
  /** How many at most; 0: none. */
  keyframes: number | null
  preferSubtitles: boolean | null
  /** Found where the file has none. */
  chapters: boolean | null
  /** Only the beginning is listened to. */
  limitSeconds: number | null
  formats: Form[]
}

export const KEY_FRAMES = 20
const MOST_KEY_FRAMES = 200
const MOST_TEXT = 1_000
const MOST_SPEAKERS = 20
/** Limits for repeating foreign text: the length of a name, and the number of names. */
const MOST_NAME = 60
const MOST_NAMES = 10
const MOST_LANGUAGES = 20
const MOST_LIMIT = 86_400

/** No flag, path or sentence. */
export const LANGUAGE = /^[a-z]{2,8}([-_][a-z0-9]{1,8})*$/i

const text = (most: number) =>
  z
    .string()
    .max(most)
    .transform((given) => oneLine(given) || null)
const speakers = z.int().min(1).max(MOST_SPEAKERS)

const OPTIONS = {
  task: { schema: z.enum(['transcribe', 'translate']), expected: "'transcribe' or 'translate'" },
  model: { schema: text(200), expected: 'a name of up to 200 characters' },
  prompt: { schema: text(MOST_TEXT), expected: `a text of up to ${MOST_TEXT} characters` },
  hotwords: {
    schema: z
      .union([z.string().transform((one) => [one]), z.array(z.string()).max(MOST_TEXT)])
      .transform((words) =>
        words
          .map(oneLine)
          .filter((word) => word !== '')
          .join(', '),
      )
      .pipe(text(MOST_TEXT)),
    expected: `a text or a list of texts of up to ${MOST_TEXT} characters in all`,
  },
  diarize: { schema: z.boolean(), expected: 'true or false' },
  min_speakers: { schema: speakers, expected: `a whole number from 1 to ${MOST_SPEAKERS}` },
  max_speakers: { schema: speakers, expected: `a whole number from 1 to ${MOST_SPEAKERS}` },
  speaker_names: {
    schema: z
      .array(z.string().max(MOST_TEXT).transform(oneLine).pipe(z.string().min(1).max(200)))
      .min(1)
      .max(MOST_SPEAKERS),
    expected: 'a list of names, one for each channel',
  },
  word_timestamps: { schema: z.boolean(), expected: 'true or false' },
  audio_track: {
    schema: z.union([z.int().min(0).max(1_000), z.string().trim().regex(LANGUAGE)]),
    expected: "a track's number, counted from 0, a language code or 'mix'",
  },
  keyframes: {
    schema: z.union([
      z.boolean().transform((wanted) => (wanted ? KEY_FRAMES : 0)),
      z.int().min(0).max(MOST_KEY_FRAMES),
    ]),
    expected: `true, false or a whole number up to ${MOST_KEY_FRAMES}`,
  },
  prefer_subtitles: { schema: z.boolean(), expected: 'true or false' },
  chapters: { schema: z.boolean(), expected: 'true or false' },
  limit_seconds: {
    schema: z.number().min(1).max(MOST_LIMIT),
    expected: `a number of seconds from 1 to ${MOST_LIMIT}`,
  },
  formats: {
    schema: z.array(z.enum(FORMS)).transform((forms) => [...new Set(forms)]),
    expected: `a list of ${FORMS.join(', ')}`,
  },
  chunk_tokens: { schema: chunkTokens, expected: 'a number from 100 to 2000' },
  chunk_overlap: {
    // A larger one is for the MoRAG server, in characters.
    schema: z.union([chunkOverlap, z.coerce.number().int().min(1)]),
    expected: 'a share from 0 to 0.25',
  },
  ...SUBTITLE_OPTIONS,
} as const

/** Options that are read without {@link OPTIONS}; a language matters to converters, too. */
const SPEECH = ['languages', 'vocabulary']
const OWN_READERS = ['language', ...SPEECH]

type Name = keyof typeof OPTIONS
type Value<N extends Name> = z.output<(typeof OPTIONS)[N]['schema']> | null

/** What a client may ask for of the agent. */
export type GivenOptions = { [N in Name]?: z.input<(typeof OPTIONS)[N]['schema']> | null } & {
  /** A code like `de` or `pt-BR`; left out: detected. */
  language?: string | null
  /** Codes to choose from. */
  languages?: string[] | null
  /** Names and terms to spell right. */
  vocabulary?: GivenTerm[] | null
}

/** Options of the coordinator and of the original system that are not for the agent. */
const OTHERS = new Set(
  (
    'requires priority timeout_seconds max_retries document_id metadata mode source_type content_type ' +
    'source_file_path remote processing_options output_dir callback_url user_id ' +
    'store_in_vector_db collection_name generate_summary include_thumbnails'
  ).split(' '),
)
const OTHERS_BEGIN = /^(webhook|ingest|database|chunk)/

/**
 * Reads a job's options by an allow-list with types and limits. Unknown and invalid options become warnings; null counts
 * as absent.
 * @throws {AppError} `invalid` when `language` is no language code, or `languages` no list of them.
 */
export function readJobOptions(taskOptions: Record<string, unknown>): {
  options: JobOptions
  warnings: string[]
} {
  const warnings: string[] = []
  const read = <N extends Name>(name: N): Value<N> => {
    const given = Object.hasOwn(taskOptions, name) ? taskOptions[name] : null
    if (given === null || given === undefined) return null
    const { schema, expected } = OPTIONS[name]
    const parsed = schema.safeParse(given)
    if (parsed.success) return parsed.data as Value<N>
    warnings.push(`The option '${name}' was ignored: expected ${expected}.`)
    return null
  }
  let [minSpeakers, maxSpeakers] = [read('min_speakers'), read('max_speakers')]
  if (minSpeakers !== null && maxSpeakers !== null && minSpeakers > maxSpeakers) {
    warnings.push(
      `The options 'min_speakers' and 'max_speakers' were ignored: ${minSpeakers} is more than ${maxSpeakers}.`,
    )
    minSpeakers = maxSpeakers = null
  }
  const options: JobOptions = {
    language: languageOf(taskOptions),
    languages: languagesOf(taskOptions),
    task: read('task'),
    model: read('model'),
    prompt: read('prompt'),
    hotwords: read('hotwords'),
    vocabulary: vocabularyOf(taskOptions, warnings),
    diarize: read('diarize'),
    minSpeakers,
    maxSpeakers,
    speakerNames: read('speaker_names'),
    wordTimestamps: read('word_timestamps'),
    audioTrack: read('audio_track'),
    keyframes: read('keyframes'),
    preferSubtitles: read('prefer_subtitles'),
    chapters: read('chapters'),
    limitSeconds: read('limit_seconds'),
    formats: read('formats') ?? [],
  }
  // They are read where chunks and subtitles are made; here for their warnings.
  for (const name of ['chunk_tokens', 'chunk_overlap', ...SUBTITLE_OPTION_NAMES] as const)
    read(name)
  const unknown = Object.keys(taskOptions).filter((name) => !isKnown(name))
  if (unknown.length > 0) warnings.push(unknownOnes(unknown))
  return { options, warnings }
}

/** Warnings for the options of a job that a converter does: it supports none. */
export function unusedOptions(taskOptions: Record<string, unknown>): string[] {
  const given = Object.keys(taskOptions).filter((name) => (taskOptions[name] ?? null) !== null)
  const speech = given.filter((name) => SPEECH.includes(name) || Object.hasOwn(OPTIONS, name))
  const unknown = given.filter((name) => !isKnown(name))
  const about =
    speech.length === 0 ? [] : [`Options for speech were ignored: ${speech.join(', ')}.`]
  return unknown.length === 0 ? about : [...about, unknownOnes(unknown)]
}

function isKnown(name: string): boolean {
  const ours = OWN_READERS.includes(name) || Object.hasOwn(OPTIONS, name)
  return ours || OTHERS.has(name) || OTHERS_BEGIN.test(name)
}

function unknownOnes(names: readonly string[]): string {
  const named = names.slice(0, MOST_NAMES).map((name) => `'${oneLine(name).slice(0, MOST_NAME)}'`)
  const more = names.length - named.length
  const list = `${named.join(', ')}${more > 0 ? ` and ${more} more` : ''}`
  return names.length === 1
    ? `The unknown option ${list} was ignored.`
    : `The unknown options ${list} were ignored.`
}

/** The job's own, and those of the token that has submitted it. */
function vocabularyOf({ vocabulary }: Record<string, unknown>, warnings: string[]): Term[] | null {
  if (vocabulary === undefined || vocabulary === null) return null
  try {
    return readVocabulary(vocabulary, { lists: 2 })
  } catch (error) {
    warnings.push(`The option 'vocabulary' was ignored: ${messageOf(error)}`)
    return null
  }
}

function languageOf({ language }: Record<string, unknown>): string | null {
  if (language === undefined || language === null) return null
  const code = typeof language === 'string' ? language.trim() : null
  if (code === '' || code?.toLowerCase() === 'auto') return null
  if (code !== null && LANGUAGE.test(code)) return code
  const given = oneLine(JSON.stringify(language)).slice(0, MOST_NAME)
  throw new AppError('invalid', `A job's language is a code like 'en', not ${given}.`)
}

function languagesOf({ languages }: Record<string, unknown>): string[] | null {
  if (languages === undefined || languages === null) return null
  const listed: unknown = typeof languages === 'string' ? languages.split(',') : languages
  const codes = Array.isArray(listed)
    ? listed.map((one: unknown) => (typeof one === 'string' ? one.trim() : ''))
    : ['']
  if (codes.length <= MOST_LANGUAGES && codes.every((code) => LANGUAGE.test(code))) {
    return codes.length === 0 ? null : [...new Set(codes)]
  }
  const given = oneLine(JSON.stringify(languages)).slice(0, MOST_NAME)
  throw new AppError(
    'invalid',
    `A job's languages are up to ${MOST_LANGUAGES} codes like ["de", "fr"], not ${given}.`,
  )
}
