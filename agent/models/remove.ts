import { lstat, rm } from 'node:fs/promises'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { modelNamed } from './catalogue.ts'
import { recordOf } from './digest.ts'
import { placeOf, stagingOf } from './places.ts'

/**
 * Removes a model, its staging folder and its recorded digest.
 * @throws {AppError} `model_missing` when there is none, `usage` when no model can have that name.
 */
export async function removeModel(name: string, { dir }: { dir: string }): Promise<void> {
  const place = placeOf(modelNamed(name), dir)
  const all = [place, stagingOf(place), recordOf(place)]
  const there = (await Promise.all(all.map(exists))).includes(true)
  if (!there) throw new AppError('model_missing', `There is no model ${name} in '${dir}'.`)
  for (const one of all) await rm(one, { recursive: true, force: true })
}

async function exists(file: string): Promise<boolean> {
  try {
    await lstat(file)
    return true
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
