import { AppError } from '../../shared/errors.ts'
import { CTRANSLATE2_MODELS, ctranslate2Files } from './ctranslate2-models.ts'
import { GGML_MODELS } from './ggml-models.ts'
import { GGUF_MODELS } from './gguf-models.ts'
import type { Model, WebModel } from './model.ts'
import { NPM_MODELS } from './npm-models.ts'
import { ffmpegFor } from './programs.ts'
import { SHERPA_MODELS } from './sherpa-models.ts'
import { SORTFORMER } from './sortformer.ts'

const ffmpeg = ffmpegFor()

export const FIRST: readonly Model[] = [...NPM_MODELS, ...(ffmpeg === null ? [] : [ffmpeg])]

export const MODELS: readonly Model[] = [
  ...FIRST,
  ...GGML_MODELS,
  ...GGUF_MODELS,
  ...CTRANSLATE2_MODELS,
  ...SHERPA_MODELS,
  SORTFORMER,
]

/**
 * Also a `ggml/`, `gguf/` or `ctranslate2/` model that was copied here.
 * @throws {AppError} `usage` when no model can have that name.
 */
export function modelNamed(name: string): Model {
  return MODELS.find((model) => model.name === name) ?? copied(name) ?? unknown(name)
}

/** @throws {AppError} `usage` for an unknown model. */
export function pullable(name: string): Model {
  return MODELS.find((model) => model.name === name) ?? unknown(name)
}

function unknown(name: string): never {
  throw new AppError(
    'usage',
    `Unknown model '${name}'. They have names like ${NPM_MODELS[0]?.name}, ggml/base or ctranslate2/large-v3; all of them: morag-agent models list --all`,
  )
}

function copied(name: string): WebModel | null {
  // The name becomes a path.
  const match = /^(ggml|gguf|ctranslate2)\/(\w[\w.-]*)$/.exec(name)
  if (match === null) return null
  const kind = match[1] as 'ggml' | 'gguf' | 'ctranslate2'
  const fileName = kind === 'ggml' ? `ggml-${match[2]}.bin` : `${match[2]}.gguf`
  const file = { name: fileName, url: null, digest: null, need: 'always' } as const
  return {
    name,
    kind,
    description: 'copied here by hand',
    license: 'unknown',
    bytes: 0,
    suggested: false,
    files: kind === 'ctranslate2' ? ctranslate2Files(null) : [file],
  }
}
