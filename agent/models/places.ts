import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import type { Model } from './model.ts'

/** whisper.cpp's model of that name: `ggml/ggml-NAME.bin`, or `ggml-NAME.bin` directly in the folder of all models. */
export function ggmlFile(modelsDir: string, name: string): string {
  const usual = path.join(modelsDir, 'ggml', `ggml-${name}.bin`)
  const beside = path.join(modelsDir, `ggml-${name}.bin`)
  return !existsSync(usual) && existsSync(beside) ? beside : usual
}

/** transcribe.cpp's model of that name: `gguf/NAME.gguf`. */
export function ggufFile(modelsDir: string, name: string): string {
  return path.join(modelsDir, 'gguf', `${name}.gguf`)
}

export function ctranslate2Dir(modelsDir: string, name: string): string {
  return path.join(modelsDir, 'ctranslate2', name)
}

export function sherpaFile(modelsDir: string, name: string): string {
  return path.join(modelsDir, 'sherpa', `${name}.onnx`)
}

export function placeOf({ kind, name }: Model, modelsDir: string): string {
  const own = name.slice(name.indexOf('/') + 1)
  switch (kind) {
    case 'npm':
    case 'wheel':
    case 'parakeet':
      return path.join(modelsDir, name)
    case 'ggml':
      return ggmlFile(modelsDir, own)
    case 'gguf':
      return ggufFile(modelsDir, own)
    case 'ctranslate2':
      return ctranslate2Dir(modelsDir, own)
    case 'sherpa':
      return sherpaFile(modelsDir, own)
  }
}

export function fileAt({ kind }: Model, place: string, name: string): string {
  return isFolder(kind) ? path.join(place, name) : place
}

export function isFolder(kind: Model['kind']): boolean {
  return ['npm', 'wheel', 'ctranslate2', 'parakeet'].includes(kind)
}

/** Beside a model's place, so that moving it there is a rename. */
export function stagingOf(place: string): string {
  return path.join(path.dirname(place), `.${path.basename(place)}.part`)
}

/** In bytes; null where there is no such file. Links are followed: people keep large models on another disk. */
export async function fileSize(file: string): Promise<number | null> {
  try {
    const found = await stat(file)
    return found.isFile() ? found.size : null
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}
