import { AppError } from '../../../shared/errors.ts'
import type { SpeechOptions } from '../engine.ts'
import { whisperLanguage } from '../whisper/languages.ts'

/** How whisper.cpp decodes: what its makers' and OpenAI's programs agree on against invented text. */
export interface Decoding {
  /** Whisper's own code, or `auto`. */
  language: string
  beams: number
  noSpeech: number
  entropy: number
  logprob: number
  /** Where it begins; it goes up in steps of 0.2 when a window comes out badly. */
  temperature: number
}

/** @throws {AppError} `unsupported_language` for a language that Whisper does not know. */
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

/** Threads of OpenMP wait for each other by spinning: where cores are shared, most of the time would go into that. */
export const WHISPER_CPP_ENV = { OMP_WAIT_POLICY: 'PASSIVE' }

/** Whisper takes at most half of its context of 448 tokens before the text itself. */
const MOST_TOKENS = 224

/**
 * What the model is told to have read before each window, and room for about so many tokens. Whisper.cpp cuts it off at
 * that room, and fills what is left with the text before the window, which is what makes it repeat itself: so the room
 * is hardly larger than the prompt. Null: none, and no room.
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
  // A token is three bytes or more, in any language that it has words for.
  const tokens = Math.min(MOST_TOKENS, 8 + Math.ceil(Buffer.byteLength(text) / 3))
  return { text, tokens }
}
