import type { EngineAbilities } from '../engine.ts'
import { abilitiesWith } from '../whisper/abilities.ts'

/** What whisper.cpp can do with a model. */
export function whisperCppAbilities(model: string, partSeconds: number): EngineAbilities {
  return abilitiesWith(model, {
    languages: null,
    translate: true,
    words: true,
    speakers: false,
    prompt: true,
    hotwords: true,
    partSeconds,
  })
}
