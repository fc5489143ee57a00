import { z } from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { oneLine } from '../../../shared/render.ts'
import type { Detected, Recognised, SpeechOptions } from '../engine.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { withinPiece } from '../clip-segments.ts'
import { parseLenient } from '../lenient-json.ts'
import { DETECTED } from './cli-program.ts'
import { decodingOf, promptOf } from './options.ts'
import { languageCode } from '../whisper/languages.ts'
import { wordsFromTokens } from '../whisper/words.ts'

type Field = readonly [name: string, value: string]

export function serverArgs(options: {
  modelFile: string
  port: number
  threads: number | null
  device: 'cpu' | 'gpu'
}): string[] {
  const { modelFile, port, threads, device } = options
  return [
    '-m',
    modelFile,
    '--host',
    '127.0.0.1',
    '--port',
    String(port),
    '-pp',
    ...(threads === null ? [] : ['-t', String(threads)]),
    ...(device === 'cpu' ? ['-ng'] : []),
  ]
}

/**
 * The fields of a request to `/inference`.
 * @throws {AppError} `unsupported_language`.
 */
export function inferenceFields(options: SpeechOptions, again: boolean): Field[] {
  const decoding = decodingOf(options, again)
  const prompt = promptOf(options, again)
  return [
    ['response_format', 'verbose_json'],
    ['language', decoding.language],
    ['translate', String(options.task === 'translate')],
    ['beam_size', String(decoding.beams)],
    ['best_of', String(decoding.beams)],
    ['temperature', String(decoding.temperature)],
    ['temperature_inc', '0.2'],
    ['no_speech_thold', String(decoding.noSpeech)],
    ['entropy_thold', String(decoding.entropy)],
    ['logprob_thold', String(decoding.logprob)],
    ['suppress_nst', 'true'],
    ['max_context', String(prompt?.tokens ?? 0)],
    // The default, 60 letters, would chop sentences.
    ['max_len', '10000'],
    ['split_on_word', 'true'],
    ['token_timestamps', 'true'],
    // It would run the encoder again; the standard error has the language's probability.
    ['no_language_probabilities', 'true'],
    ...(prompt === null
      ? []
      : ([
          ['prompt', prompt.text],
          ['carry_initial_prompt', 'true'],
        ] as const)),
  ]
}

export const DETECTION_FIELDS: readonly Field[] = [
  ['response_format', 'verbose_json'],
  ['detect_language', 'true'],
]

const number = z.number().nullish()
const answer = z.object({
  language: z.string().optional(),
  detected_language: z.string().optional(),
  detected_language_probability: number,
  language_probabilities: z.record(z.string(), z.number()).optional(),
  segments: z.array(
    z.object({
      start: z.number(),
      end: z.number(),
      text: z.string(),
      words: z
        .array(z.object({ word: z.string(), start: number, end: number, probability: number }))
        .optional(),
      avg_logprob: number,
      no_speech_prob: number,
    }),
  ),
})
type Segment = z.output<typeof answer>['segments'][number]

/**
 * @param stderr printed meanwhile: the language's probability.
 * @throws {AppError} `engine_failed` for any other answer.
 */
export function parseInference(
  body: Buffer,
  stderr: string,
  durationSeconds: number,
): Omit<Recognised, 'warnings'> {
  const { language, segments } = parsed(body)
  const probability = DETECTED.exec(stderr)?.[2]
  return {
    language: languageCode(language ?? ''),
    ...(probability === undefined ? {} : { languageProbability: Number(probability) }),
    segments: withinPiece(segments.map(segmentOf), durationSeconds),
  }
}

/** @param languages ISO codes to choose from; null: any. Their probabilities are then among these. */
export function parseDetection(
  body: Buffer,
  languages: readonly string[] | null = null,
): Detected | null {
  const {
    detected_language: name,
    detected_language_probability: probability,
    language_probabilities: probabilities,
  } = parsed(body)
  if (languages !== null && probabilities !== undefined) return likeliest(probabilities, languages)
  const language = languageCode(name ?? '')
  if (language === null || probability === null || probability === undefined) return null
  return { language, probability }
}

function likeliest(
  probabilities: Record<string, number>,
  languages: readonly string[],
): Detected | null {
  const among = Object.entries(probabilities)
    .map(([code, probability]) => ({ language: languageCode(code) ?? code, probability }))
    .filter(({ language }) => languages.includes(language))
  const [best] = among.toSorted((a, b) => b.probability - a.probability)
  const total = among.reduce((sum, { probability }) => sum + probability, 0)
  return best === undefined ? null : { ...best, probability: best.probability / total }
}

function parsed(body: Buffer): z.output<typeof answer> {
  const result = answer.safeParse(parseLenient(body, 'whisper-cpp'))
  if (result.success) return result.data
  const message = 'The engine whisper-cpp failed: its answer is not what whisper-server gives.'
  throw new AppError('engine_failed', message, { cause: result.error })
}

function segmentOf({ start, end, text, words, ...rest }: Segment): RecognisedSegment {
  const segment = { start, end: Math.max(start, end), text: oneLine(text) }
  // They are tokens.
  const tokens = (words ?? []).map((word) => ({
    start: word.start ?? start,
    end: word.end ?? end,
    text: word.word,
    probability: word.probability ?? undefined,
  }))
  const joined = tokens.length === 0 ? undefined : wordsFromTokens(tokens, segment)
  return {
    ...segment,
    ...(joined === undefined ? {} : { words: joined }),
    ...(typeof rest.avg_logprob === 'number' ? { avgLogprob: rest.avg_logprob } : {}),
    ...(typeof rest.no_speech_prob === 'number' ? { noSpeechProb: rest.no_speech_prob } : {}),
  }
}
