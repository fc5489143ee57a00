import { readdir } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { fileSize } from './places.ts'

/** Without the prefixes `ggml/`, `gguf/` and `ctranslate2/`, in alphabetical order. */
export interface Installed {
  ggml: string[]
  gguf: string[]
  ctranslate2: string[]
}

/**
 * The Whisper models present, also those copied by hand, by their names alone. VAD models (`ggml-silero-….bin`) are
 * left out.
 */
export async function installedModels(modelsDir: string): Promise<Installed> {
  const [ggml, beside, gguf, ctranslate2] = await Promise.all([
    ggmlIn(path.join(modelsDir, 'ggml')),
    ggmlIn(modelsDir),
    filesIn(path.join(modelsDir, 'gguf'), /^(\w[\w.-]*)\.gguf$/),
    ctranslate2In(path.join(modelsDir, 'ctranslate2')),
  ])
  return { ggml: [...new Set([...ggml, ...beside])].toSorted(), gguf, ctranslate2 }
}

async function ggmlIn(folder: string): Promise<string[]> {
  const names = await filesIn(folder, /^ggml-(\w[\w.-]*)\.bin$/)
  return names.filter((name) => !name.startsWith('silero-'))
}

/** @param pattern its first group is the model's name. */
async function filesIn(folder: string, pattern: RegExp): Promise<string[]> {
  const names: string[] = []
  for (const file of await entries(folder)) {
    const name = pattern.exec(file)?.[1]
    if (name === undefined) continue
    if ((await fileSize(path.join(folder, file))) !== null) names.push(name)
  }
  return names
}

async function ctranslate2In(folder: string): Promise<string[]> {
  const names: string[] = []
  for (const name of await entries(folder)) {
    if (!/^\w[\w.-]*$/.test(name)) continue
    const files = ['model.bin', 'config.json'].map((file) => path.join(folder, name, file))
    if (!(await Promise.all(files.map(fileSize))).includes(null)) names.push(name)
  }
  return names
}

async function entries(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).toSorted()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return []
    throw error
  }
}
