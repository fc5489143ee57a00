import type { Detected } from '../engines/engine.ts'

/** How much was heard in a language, in seconds of audio, and how sure of that the engine was. */
interface LanguageShare {
  seconds: number
  /** Of `knownSeconds` together: seconds times probability. */
  weighed: number
  knownSeconds: number
}

/** Per ISO 639-1 code. */
export type LanguageTally = Record<string, LanguageShare>

/** Counts a part that was heard in a language. */
export function countLanguage(
  heard: LanguageTally,
  language: string,
  probability: number | undefined,
  seconds: number,
): void {
  const share = (heard[language] ??= { seconds: 0, weighed: 0, knownSeconds: 0 })
  share.seconds += seconds
  if (probability === undefined) return
  share.weighed += seconds * probability
  share.knownSeconds += seconds
}

/** The language of most of what was heard; null when nothing was. The probability is null where no engine gave one. */
export function mostFrequentLanguage(
  heard: LanguageTally,
): { language: Detected['language']; probability: number | null } | null {
  const [most] = Object.entries(heard).toSorted(([, a], [, b]) => b.seconds - a.seconds)
  if (most === undefined) return null
  const [language, { weighed, knownSeconds }] = most
  return { language, probability: knownSeconds > 0 ? weighed / knownSeconds : null }
}
