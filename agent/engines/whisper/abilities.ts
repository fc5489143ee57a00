import type { EngineAbilities } from '../engine.ts'

/** What a program can do with a model of Whisper: English-only models know no other language, and turbo and distil cannot translate. */
export function whisperAbilities(
  model: string,
  program: Pick<EngineAbilities, 'partSeconds'> & Partial<EngineAbilities>,
): EngineAbilities {
  const { languages = null, translate = true, ...others } = program
  const englishOnly = /\.en\b/.test(model)
  return {
    words: true,
    speakers: false,
    prompt: true,
    hotwords: true,
    ...others,
    languages: englishOnly ? ['en'] : languages,
    translate: translate && !englishOnly && !/turbo|distil/.test(model),
  }
}
