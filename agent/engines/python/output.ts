import { z } from 'zod'
import { AppError } from '../../../shared/errors.ts'
import { oneLine } from '../../../shared/render.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { parseLenient } from '../lenient-json.ts'
import { languageCode } from '../whisper/languages.ts'
import { clean, wordsOf } from './words.ts'

const number = z.number().nullish().catch(null)
const text = z.string().catch('')
/** whisperx calls it `score`. */
const word = z.looseObject({
  start: number,
  end: number,
  word: text,
  probability: number,
  score: number,
})
/** A segment as these programs write it; what is no number is unknown. */
export const rawSegment = z.looseObject({
  start: number,
  end: number,
  text,
  speaker: z.string().nullish().catch(null),
  words: z.array(word).nullish().catch(null),
  avg_logprob: number,
  no_speech_prob: number,
  compression_ratio: number,
})
const whole = z.looseObject({
  segments: z.array(rawSegment),
  language: z.string().nullish().catch(null),
})

type RawSegment = z.infer<typeof rawSegment>

export interface PythonOutput {
  /** As the file says it, as an ISO code; it may be wrong. */
  language: string | null
  segments: RecognisedSegment[]
}

/**
 * Reads the JSON that openai-whisper began with and the others took over: `{text, segments: [{start, end, text,
 * words}], language}`, times in seconds.
 * @throws {AppError} `engine_failed` when it is cut off or something else.
 */
export function readOutput(output: Buffer, engine: string, durationSeconds: number): PythonOutput {
  const { segments, language } = parsed(output, engine)
  return { language: languageCode(language ?? ''), segments: segmentsOf(segments, durationSeconds) }
}

/** @returns segments in order of time, within the piece, none empty. */
export function segmentsOf(
  segments: readonly RawSegment[],
  durationSeconds: number,
): RecognisedSegment[] {
  let last = 0
  const within = (time: number | null | undefined): number | null =>
    time === null || time === undefined ? null : Math.min(durationSeconds, Math.max(0, time))
  const read = segments.flatMap((raw) => {
    const start = within(raw.start) ?? last
    const end = Math.max(start, within(raw.end) ?? start)
    last = end
    const spoken = clean(raw.text)
    return spoken === '' ? [] : [segmentOf(raw, { start, end, text: spoken })]
  })
  return read.toSorted((a, b) => a.start - b.start || a.end - b.end)
}

function segmentOf(raw: RawSegment, times: RecognisedSegment): RecognisedSegment {
  const words = wordsOf(raw.words ?? [], times)
  return {
    ...times,
    ...(words.length === 0 ? {} : { words }),
    ...(raw.speaker ? { speaker: oneLine(raw.speaker) } : {}),
    ...(typeof raw.avg_logprob === 'number' ? { avgLogprob: raw.avg_logprob } : {}),
    ...(typeof raw.no_speech_prob === 'number' ? { noSpeechProb: raw.no_speech_prob } : {}),
    ...(typeof raw.compression_ratio === 'number'
      ? { compressionRatio: raw.compression_ratio }
      : {}),
  }
}

function parsed(output: Buffer, engine: string): z.infer<typeof whole> {
  const result = whole.safeParse(parseLenient(output, engine))
  if (result.success) return result.data
  const message = `The engine ${engine} failed: its output has no list of segments.`
  throw new AppError('engine_failed', message, { cause: result.error })
}
