import type { EngineAbilities } from '../engine.ts'

/** What is left of a program's abilities with a model of Whisper's: those for English know nothing else, and turbo never learnt to translate. */
export function abilitiesWith(model: string, abilities: EngineAbilities): EngineAbilities {
  const englishOnly = /\.en\b/.test(model)
  return {
    ...abilities,
    languages: englishOnly ? ['en'] : abilities.languages,
    translate: abilities.translate && !englishOnly && !/turbo|distil/.test(model),
  }
}
