import type { EngineAbilities } from './engine.ts'

/** What whisper.cpp can do with a model: those for English know nothing else, and turbo never learnt to translate. */
export function whisperCppAbilities(model: string, partSeconds: number): EngineAbilities {
  const englishOnly = /\.en\b/.test(model)
  return {
    languages: englishOnly ? ['en'] : null,
    translate: !englishOnly && !/turbo|distil/.test(model),
    words: true,
    speakers: false,
    prompt: true,
    hotwords: true,
    partSeconds,
  }
}
