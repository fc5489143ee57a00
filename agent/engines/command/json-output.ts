import { z } from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { oneLine } from '../../../shared/render.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { untimed, withinPiece } from '../clip-segments.ts'
import type { PlanRequest } from '../cli-program.ts'
import type { Recognised } from '../engine.ts'
import { parseLenient } from '../lenient-json.ts'
import { readOutput } from '../python/output.ts'
import { wordsOf } from '../python/words.ts'
import { readTranscription } from '../whisper-cpp/cli-program.ts'
import { languageCode } from '../whisper/languages.ts'
import { wordsFromTokens } from '../whisper/words.ts'

type Output = Omit<Recognised, 'warnings'>

/**
 * Reads a transcript as JSON, of OpenAI's form (`segments`), whisper.cpp's (`transcription`), CrispASR's
 * (`transcription` beside `crispasr`), parakeet-mlx's (`sentences`), or `text` alone.
 * @param engine for errors.
 * @throws {AppError} `engine_failed` when it is cut off or of another form.
 */
export function readJson(output: Buffer, engine: string, request: PlanRequest): Output {
  const { durationSeconds, options } = request
  const json = parseLenient(output, engine)
  const has = (key: string): boolean => typeof json === 'object' && json !== null && key in json
  if (hasSegments(json)) return readOutput(output, engine, durationSeconds)
  if (has('transcription') && !has('crispasr')) return readTranscription(output, durationSeconds)
  const other = has('crispasr') ? crispasr : has('sentences') ? parakeetMlx : textOnly
  const parsed = other.safeParse(json)
  if (!parsed.success) {
    throw new AppError(
      'engine_failed',
      `The engine ${engine} failed: its output is JSON of no known form (segments, transcription, sentences, text).`,
      { cause: parsed.error },
    )
  }
  const { language, segments, text } = parsed.data
  return {
    language: languageCode(language ?? '') ?? options.language,
    segments: withinPiece(segments ?? untimed(text, request), durationSeconds),
    ...(segments === undefined ? { hasEstimatedTimes: true } : {}),
  }
}

/** A list without any is no list: there may be text beside it. */
function hasSegments(json: unknown): boolean {
  return z.looseObject({ segments: z.array(z.unknown()).min(1) }).safeParse(json).success
}

/** What a form says. Without segments there are no times. */
interface Known {
  language?: string | null | undefined
  segments?: RecognisedSegment[]
  text: string
}

const time = z.number().catch(0)
const textOnly = z
  .object({ text: z.string(), language: z.string().nullish().catch(null) })
  .transform((said): Known => said)

/** As its writer, `parakeet_mlx/cli.py` 0.7, has it: times in seconds, tokens with their leading spaces. */
const parakeetMlx = z
  .object({
    sentences: z.array(
      z.object({
        text: z.string(),
        start: time,
        end: time,
        tokens: z.array(z.object({ text: z.string(), start: time, end: time })).catch([]),
      }),
    ),
  })
  .transform(({ sentences }): Known => {
    const segments = sentences.map(({ text, start, end, tokens }) =>
      withWords({ start, end, text: oneLine(text) }, tokens),
    )
    return { segments, text: '' }
  })

const offsets = z.object({ from: time, to: time })
/** `t0` and `t1` are in hundredths of a second, offsets in milliseconds. */
const timed = z
  .object({ text: z.string(), t0: time, t1: time, offsets: offsets.optional() })
  .transform(({ text, t0, t1, offsets: at }) =>
    at === undefined
      ? { text, start: t0 / 100, end: t1 / 100 }
      : { text, start: at.from / 1000, end: at.to / 1000 },
  )

/** As its writer, `crispasr_output.cpp` 0.8, has it (`-oj`, `-ojf`). */
const crispasr = z
  .object({
    crispasr: z.object({
      language: z.string().catch(''),
      language_detected: z.string().optional().catch(undefined),
    }),
    transcription: z.array(
      z.object({
        offsets,
        text: z.string(),
        speaker: z.string().optional().catch(undefined),
        words: z.array(timed).catch([]),
        tokens: z.array(timed).catch([]),
      }),
    ),
  })
  .transform(({ crispasr: head, transcription }): Known => {
    const segments = transcription.map(({ offsets: at, text, speaker, words, tokens }) => {
      const times = { start: at.from / 1000, end: at.to / 1000, text: oneLine(text) }
      const segment = speaker === undefined ? times : { ...times, speaker: speakerName(speaker) }
      if (words.length === 0) return withWords(segment, tokens)
      const raw = words.map(({ text: word, start, end }) => ({ word, start, end }))
      return { ...segment, words: wordsOf(raw, segment) }
    })
    return { language: head.language_detected ?? head.language, segments, text: '' }
  })

/** The program's prefix for a text: `(speaker 1) `. */
function speakerName(prefix: string): string {
  return oneLine(prefix).replace(/^[([](.*?)[)\]]:?$/, '$1')
}

function withWords(
  segment: RecognisedSegment,
  tokens: readonly { text: string; start: number; end: number }[],
): RecognisedSegment {
  const words = tokens.length === 0 ? undefined : wordsFromTokens(tokens, segment)
  return words === undefined ? segment : { ...segment, words }
}
