import { z } from 'zod'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { parseLenient } from '../lenient-json.ts'
import { readOutput } from '../python/output.ts'
import { parseInference } from '../whisper-cpp/wire.ts'
import { AppError } from '../../../shared/errors.ts'
import { languageCode } from '../whisper/languages.ts'

const NAME = 'openai-api'

const time = z.number().nullish().catch(null)
const timed = z.looseObject({ start: time, end: time })
const answer = z.looseObject({
  text: z.string().nullish().catch(null),
  language: z.string().nullish().catch(null),
  segments: z.array(timed).nullish().catch(null),
  words: z.array(timed).nullish().catch(null),
})
type Answer = z.output<typeof answer>
type Timed = z.output<typeof timed>

export interface ReadAnswer {
  language: string | null
  /** With the server's times; empty where it gives none. */
  segments: RecognisedSegment[]
  /** The whole text, as the server says it. */
  text: string
}

/**
 * Reads `verbose_json` with segments and words, `diarized_json` with segments and speakers, `json` with text alone, or
 * bare text.
 * @throws {AppError} `engine_failed` for anything else.
 */
export function readAnswer(body: Buffer, contentType: string, durationSeconds: number): ReadAnswer {
  const bare = body.toString()
  if (!/json/i.test(contentType) && !/^\s*\{/.test(bare)) {
    return { language: null, segments: [], text: bare }
  }
  // whisper-server calls its tokens words.
  if (/"t_dtw"\s*:/.test(bare)) {
    const { language, segments } = parseInference(body, '', durationSeconds)
    return { language, segments, text: joined(segments) }
  }
  const { data } = answer.safeParse(parseLenient(body, NAME))
  if (data === undefined) {
    throw new AppError('engine_failed', `The engine ${NAME} failed: its answer is no transcript.`)
  }
  const { segments, words, text, ...rest } = data
  const language = languageCode(rest.language ?? '')
  if (!segments?.length) return { language, segments: [], text: text ?? '' }
  const whole = words?.length ? withWords(segments, words) : segments
  const output = Buffer.from(JSON.stringify({ segments: whole }))
  const read = readOutput(output, NAME, durationSeconds).segments
  return { language, segments: read, text: text ?? joined(read) }
}

function joined(segments: readonly RecognisedSegment[]): string {
  return segments.map(({ text }) => text).join(' ')
}

/** A word belongs to the segment that holds its middle, or to the first that ends after it. */
function withWords(segments: readonly Timed[], words: readonly Timed[]): Answer['segments'] {
  const filled = segments.map((segment) => ({ ...segment, words: [] as Timed[] }))
  let at = 0
  for (const word of words) {
    const middle = ((word.start ?? 0) + (word.end ?? word.start ?? 0)) / 2
    while (at < filled.length - 1 && middle >= (filled[at]?.end ?? 0)) at++
    filled[at]?.words.push(word)
  }
  return filled
}
