import { existsSync } from 'node:fs'
import path from 'node:path'
import { GGUF_MODELS } from '../../models/gguf-models.ts'
import { ggmlFile, ggufFile } from '../../models/places.ts'
import type { EngineAbilities } from '../engine.ts'
import { whisperAbilities } from '../whisper/abilities.ts'

/** Where nothing is named or installed: the most accurate that a GPU, or a CPU, runs in good time. */
const USUAL = { gpu: 'whisper-large-v3-turbo-Q8_0', cpu: 'whisper-small-Q8_0' } as const

/** The most accurate first: multilingual models of Whisper, then English ones. */
const BEST = ['large-v3', 'large-v3-turbo', 'large-v2', 'large', 'medium', 'small', 'base', 'tiny']

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
  const whispers = installed.filter((name) => rankOf(name, onCpu) < Infinity)
  const [best] = whispers.toSorted((a, b) => rankOf(a, onCpu) - rankOf(b, onCpu))
  return best ?? (installed[0] || USUAL[onCpu ? 'cpu' : 'gpu'])
}

/** Infinity for other models than Whisper's. */
function rankOf(model: string, onCpu: boolean): number {
  const [, name = '', english] =
    /^(?:whisper-)?([a-z]+(?:-v\d)?(?:-turbo)?)(\.en)?(?:-[QFB].*|-q\d.*)?$/.exec(model) ?? []
  // On a CPU turbo goes first: the large models are several times slower and hardly better.
  const order = onCpu ? ['large-v3-turbo', ...BEST] : BEST
  const at = order.indexOf(name)
  return at === -1 ? Infinity : at * 2 + (english === undefined ? 0 : 1)
}

/** What a model can do, by its name: the library knows it only once it is loaded. */
export function abilitiesOf(model: string, partSeconds: number): EngineAbilities {
  const name = path
    .basename(model)
    .replace(/^ggml-/, '')
    .replace(/\.(gguf|bin)$/, '')
  if (rankOf(name, false) < Infinity) return whisperAbilities(name, { partSeconds, words: false })
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
