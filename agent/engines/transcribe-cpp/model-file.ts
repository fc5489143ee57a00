import { existsSync } from 'node:fs'
import path from 'node:path'
import { GGUF_MODELS } from '../../models/gguf-models.ts'
import { ggmlFile, ggufFile } from '../../models/places.ts'
import type { EngineAbilities } from '../engine.ts'
import { whisperAbilities } from '../whisper/abilities.ts'
import { bestModel } from '../whisper-cpp/models.ts'
import { whisperRank } from '../whisper/rank.ts'

/** Where nothing is named or installed: the most accurate that a GPU, or a CPU, runs in good time. */
const USUAL = { gpu: 'whisper-large-v3-turbo-Q8_0', cpu: 'whisper-small-Q8_0' } as const

export function isPath(model: string): boolean {
  return model.includes('/') || model.includes(path.sep) || /\.(gguf|bin)$/.test(model)
}

/** A model's file, which need not exist: a path as it is, `ggml-NAME.bin` of whisper.cpp where that is installed. */
export function fileOf(modelsDir: string, model: string): string {
  if (isPath(model)) return path.resolve(model)
  const gguf = ggufFile(modelsDir, model)
  const ggml = ggmlFile(modelsDir, model)
  return !existsSync(gguf) && existsSync(ggml) ? ggml : gguf
}

/** In the catalogue, so that it can be pulled. */
export function isKnown(model: string): boolean {
  return GGUF_MODELS.some(({ name }) => name === `gguf/${model}`)
}

/** @param installed names, without `gguf/` and `ggml/`. */
export function usualModel(installed: readonly string[], onCpu: boolean): string {
  const whispers = installed.filter((name) => whisperRank(name, onCpu) !== null)
  return bestModel(whispers, onCpu) ?? (installed[0] || USUAL[onCpu ? 'cpu' : 'gpu'])
}

/** What a model can do, by its name: the library knows it only once it is loaded. */
export function abilitiesOf(model: string, partSeconds: number): EngineAbilities {
  const name = path
    .basename(model)
    .replace(/^ggml-/, '')
    .replace(/\.(gguf|bin)$/, '')
  if (whisperRank(name, false) !== null)
    return whisperAbilities(name, { partSeconds, words: false })
  const entry = GGUF_MODELS.find((known) => known.name === `gguf/${name}`)
  return {
    languages: entry?.languages ?? null,
    translate: /^canary-(?!qwen)/i.test(name),
    // Of a model that is not known it is asked, and said when it gives none.
    words: entry?.words ?? true,
    speakers: false,
    prompt: false,
    hotwords: false,
    deterministic: true,
    partSeconds,
  }
}
