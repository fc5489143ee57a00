import { AppError } from '../../../shared/errors.ts'
import type { SpeechOptions } from '../engine.ts'
import { whisperLanguage } from '../whisper/languages.ts'

/** Decoding options that whisper.cpp and OpenAI's program share against hallucination. */
export interface Decoding {
  /** Whisper's code, or `auto`. */
  language: string
  beams: number
  noSpeech: number
  entropy: number
  logprob: number
  /** The first temperature; it rises in steps of 0.2 when a window fails. */
  temperature: number
}

/** @throws {AppError} `unsupported_language`. */
export function decodingOf({ language }: SpeechOptions, again: boolean): Decoding {
  const code = language === null ? 'auto' : whisperLanguage(language)
  if (code === null) {
    throw new AppError('unsupported_language', `Whisper does not know the language '${language}'.`)
  }
  return {
    language: code,
    beams: 5,
    noSpeech: 0.6,
    entropy: 2.4,
    logprob: -1,
    temperature: again ? 0.4 : 0,
  }
}

/** OpenMP's threads wait for each other by spinning, which takes most of the time where cores are shared. */
export const WHISPER_CPP_ENV = { OMP_WAIT_POLICY: 'PASSIVE' }

/** Half of Whisper's context of 448 tokens. */
const MOST_TOKENS = 224

/**
 * The prompt before each window, and the size of its context in tokens. whisper.cpp fills a larger context with the
 * text before the window, which makes it repeat itself: the size is hardly larger than the prompt. Null: no prompt, no
 * context.
 */
export function promptOf(
  { prompt, hotwords }: SpeechOptions,
  again: boolean,
): { text: string; tokens: number } | null {
  if (again) return null
  const text = [prompt, hotwords]
    .map((part) => (part ?? '').trim())
    .filter((part) => part !== '')
    .join(' ')
  if (text === '') return null
  // A token has three bytes or more, in any language that it has words for.
  const tokens = Math.min(MOST_TOKENS, 8 + Math.ceil(Buffer.byteLength(text) / 3))
  return { text, tokens }
}
