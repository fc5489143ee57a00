import { existsSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import type { Model } from './model.ts'

/**
 * Where whisper.cpp's model of that name lies, or would: `ggml/ggml-NAME.bin`, or `ggml-NAME.bin` where people have put it
 * right into the folder of all models.
 */
export function ggmlFile(modelsDir: string, name: string): string {
  const usual = path.join(modelsDir, 'ggml', `ggml-${name}.bin`)
  const beside = path.join(modelsDir, `ggml-${name}.bin`)
  return !existsSync(usual) && existsSync(beside) ? beside : usual
}

/** The folder of faster-whisper's model of that name: `ctranslate2/NAME`. */
export function ctranslate2Dir(modelsDir: string, name: string): string {
  return path.join(modelsDir, 'ctranslate2', name)
}

/** Where sherpa-onnx's model of that name lies: `sherpa/NAME.onnx`. */
export function sherpaFile(modelsDir: string, name: string): string {
  return path.join(modelsDir, 'sherpa', `${name}.onnx`)
}

/** A model's file, or its folder when it is several. */
export function placeOf({ kind, name }: Model, modelsDir: string): string {
  const own = name.slice(name.indexOf('/') + 1)
  switch (kind) {
    case 'npm':
    case 'wheel':
      return path.join(modelsDir, name)
    case 'ggml':
      return ggmlFile(modelsDir, own)
    case 'ctranslate2':
      return ctranslate2Dir(modelsDir, own)
    case 'sherpa':
      return sherpaFile(modelsDir, own)
  }
}

/** Where one of a model's files lies when the model is at `place`. */
export function fileAt({ kind }: Model, place: string, name: string): string {
  return isFolder(kind) ? path.join(place, name) : place
}

/** Whether a model of that kind is a folder of files, and not one file. */
export function isFolder(kind: Model['kind']): boolean {
  return kind === 'npm' || kind === 'wheel' || kind === 'ctranslate2'
}

/** Where a model is put together before it is moved to its place: beside it, so that moving it is a rename. */
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
