import { withinPiece } from '../clip-segments.ts'
import type { Recognised, TranscribeRequest } from '../engine.ts'
import { languageCode } from '../whisper/languages.ts'
import type { RecognisedSegment } from '../../transcription/recognised-segment.ts'
import { clip, lengthOf, type Span } from '../../audio/span.ts'
import { oneLine } from '../../../shared/render.ts'
import type { LibraryResult } from './library.ts'
import type { RunAnswer, WindowResult } from './recognizer.ts'

/** What the library answered, in seconds of the piece. */
export function recognisedOf(
  { results, language, assumed, times }: RunAnswer,
  {
    durationSeconds,
    speech,
    options,
  }: Pick<TranscribeRequest, 'durationSeconds' | 'speech' | 'options'>,
): Recognised {
  const segments = results.flatMap((one) =>
    times === 'none' ? withoutTimes(one, speech) : withTimes(one, options.words),
  )
  const warnings: string[] = []
  if (assumed) {
    warnings.push(
      `The model cannot detect the language: ${language} was assumed. Name the language if it is another one.`,
    )
  }
  if (options.words && times !== 'words') warnings.push('The model gives no word timestamps.')
  return {
    language: languageCode(mainLanguage(results, language) ?? ''),
    segments: withinPiece(segments, durationSeconds),
    warnings,
  }
}

/** The one named, or the one detected for the most seconds. */
function mainLanguage(results: readonly WindowResult[], named: string | null): string | null {
  if (named !== null) return named
  const seconds = new Map<string, number>()
  for (const { window, result } of results) {
    if (result.language === '' || result.text.trim() === '') continue
    seconds.set(result.language, (seconds.get(result.language) ?? 0) + lengthOf(window))
  }
  return [...seconds].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? null
}

function withTimes({ window, result }: WindowResult, words: boolean): RecognisedSegment[] {
  // Models count in windows of their own, and may end a segment after the audio.
  const at = (ms: number): number => Math.min(window.end, window.start + ms / 1000)
  return result.segments.map(({ text, t0Ms, t1Ms, ...tokens }, index) => {
    const said = result.words.filter(({ segIndex }) => segIndex === index)
    return {
      start: at(t0Ms),
      end: at(t1Ms),
      text: oneLine(text),
      ...confidence(result, tokens),
      ...(words && said.length > 0
        ? {
            words: said.map((word) => ({
              start: at(word.t0Ms),
              end: at(word.t1Ms),
              text: oneLine(word.text),
            })),
          }
        : {}),
    }
  })
}

function confidence(
  { tokens }: LibraryResult,
  { firstToken, nTokens }: { firstToken: number; nTokens: number },
): { avgLogprob?: number } {
  const logs = tokens
    .slice(firstToken, firstToken + nTokens)
    .map(({ p }) => Math.log(p))
    .filter(Number.isFinite)
  if (logs.length === 0) return {}
  return { avgLogprob: logs.reduce((sum, log) => sum + log, 0) / logs.length }
}

/** One segment, over the speech of the window. */
function withoutTimes(
  { window, result }: WindowResult,
  speech: readonly Span[],
): RecognisedSegment[] {
  const within = clip(speech, window.start, window.end)
  const start = within[0]?.start ?? window.start
  const end = within.at(-1)?.end ?? window.end
  return [{ start, end, text: oneLine(result.text) }]
}
