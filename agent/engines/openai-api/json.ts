import { z } from 'zod'
import type { Recognised, TranscribeRequest } from '../engine.ts'
import { untimed } from '../clip-segments.ts'
import { parseLenient } from '../lenient-json.ts'
import { readOutput } from '../python/output.ts'
import { parseInference } from '../whisper-cpp/wire.ts'
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

/**
 * Reads `verbose_json` with segments and words, `json` with text alone, or bare text. Text without times spans all
 * speech of the piece.
 * @throws {AppError} `engine_failed` for anything else.
 */
export function readAnswer(
  body: Buffer,
  contentType: string,
  piece: Pick<TranscribeRequest, 'durationSeconds' | 'speech'>,
): Omit<Recognised, 'warnings'> {
  const text = body.toString()
  if (!/json/i.test(contentType) && !/^\s*\{/.test(text)) {
    return { language: null, segments: untimed(text, piece) }
  }
  // whisper-server calls its tokens words.
  if (/"t_dtw"\s*:/.test(text)) return parseInference(body, '', piece.durationSeconds)
  const { segments, words, ...rest } = answer.parse(parseLenient(body, NAME))
  const language = languageCode(rest.language ?? '')
  if (segments === null || segments === undefined || segments.length === 0) {
    return { language, segments: untimed(rest.text ?? '', piece) }
  }
  const whole = words?.length ? withWords(segments, words) : segments
  const output = Buffer.from(JSON.stringify({ segments: whole }))
  return { language, segments: readOutput(output, NAME, piece.durationSeconds).segments }
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
