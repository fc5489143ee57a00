import { oneLine } from '../../../shared/render.ts'
import type { Word } from '../../../shared/transcript.ts'
import { lengthOf } from '../../../shared/span.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { untimed, withinPiece } from '../clip-segments.ts'
import type { Recognised, TranscribeRequest } from '../engine.ts'
import { mainLanguage } from '../main-language.ts'
import { languageCode } from '../whisper/languages.ts'
import type { LibraryResult } from './library.ts'
import type { RunAnswer, WindowResult } from './recognizer.ts'

/** What the library answered, in seconds of the piece. */
export function recognisedOf(
  { results, language, assumed, times }: RunAnswer,
  { durationSeconds, options }: Pick<TranscribeRequest, 'durationSeconds' | 'options'>,
): Recognised {
  const segments = results.flatMap(({ window, result }) =>
    times === 'none'
      ? untimed(result.text, { speech: window.speech, durationSeconds })
      : timed({ window, result }, options.words),
  )
  const warnings: string[] = []
  if (assumed) {
    warnings.push(
      `The model cannot detect the language: ${language} was assumed. Name the language if it is another one.`,
    )
  }
  if (options.words && times !== 'words') warnings.push('The model gives no word timestamps.')
  return {
    language: languageCode(languageIn(results, language) ?? ''),
    segments: withinPiece(segments, durationSeconds),
    ...(times === 'none' ? { hasEstimatedTimes: true } : {}),
    warnings,
  }
}

/** The one named, or the one detected for the most seconds. */
function languageIn(results: readonly WindowResult[], named: string | null): string | null {
  if (named !== null) return named.split('-')[0]!
  return mainLanguage(
    results
      .filter(({ result }) => result.text.trim() !== '')
      .map(({ window, result }) => ({
        language: result.language || null,
        seconds: lengthOf(window.audio),
      })),
  )
}

function timed({ window, result }: WindowResult, hasWords: boolean): RecognisedSegment[] {
  const { start, end } = window.audio
  // Models count in windows of their own, and may end a segment after the audio.
  const at = (ms: number): number => Math.min(end, start + ms / 1000)
  return result.segments.map(({ text, t0Ms, t1Ms, ...tokens }, index) => {
    const mean = meanLogprob(result, tokens)
    const words = result.words
      .filter(({ segIndex }) => segIndex === index)
      .map((word): Word => {
        const logprob = meanLogprob(result, word)
        return {
          start: at(word.t0Ms),
          end: at(word.t1Ms),
          text: oneLine(word.text),
          ...(logprob === null ? {} : { probability: Math.min(1, Math.exp(logprob)) }),
        }
      })
    return {
      start: at(t0Ms),
      end: at(t1Ms),
      text: oneLine(text),
      ...(mean === null ? {} : { avgLogprob: mean }),
      ...(hasWords && words.length > 0 ? { words } : {}),
    }
  })
}

/** Of some tokens; null where the model does not say how probable they are. */
function meanLogprob(
  { tokens }: LibraryResult,
  { firstToken, nTokens }: { firstToken: number; nTokens: number },
): number | null {
  const logs = tokens
    .slice(firstToken, firstToken + nTokens)
    .map(({ p }) => Math.log(p))
    .filter(Number.isFinite)
  return logs.length === 0 ? null : logs.reduce((sum, log) => sum + log, 0) / logs.length
}
