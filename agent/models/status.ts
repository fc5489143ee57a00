import { lstat, rm } from 'node:fs/promises'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { MODELS, modelNamed } from './catalogue.ts'
import { recordOf } from './digest.ts'
import { installedModels } from './installed.ts'
import { look, type Depth, type ModelState } from './look.ts'
import type { Model } from './model.ts'
import { placeOf, stagingOf } from './places.ts'

/** As in `models list --json`. */
export interface ModelStatus {
  name: string
  kind: Model['kind']
  description: string
  license: string
  path: string
  /** On disk, or when pulled. */
  bytes: number
  state: ModelState
  problem: string | null
  checked: boolean
}

/** All models of the catalogue, and others that are present. Checks presence only. */
export async function listModels(dir: string): Promise<ModelStatus[]> {
  const { ggml, gguf, ctranslate2 } = await installedModels(dir)
  const names = new Set([
    ...MODELS.map(({ name }) => name),
    ...ggml.map((name) => `ggml/${name}`),
    ...gguf.map((name) => `gguf/${name}`),
    ...ctranslate2.map((name) => `ctranslate2/${name}`),
  ])
  return await Promise.all([...names].map((name) => statusOf(modelNamed(name), dir, 'names')))
}

/**
 * Checks a model's files byte by byte.
 * @throws {AppError} `usage` when no model can have that name.
 */
export async function verifyModel(name: string, { dir }: { dir: string }): Promise<ModelStatus> {
  return await statusOf(modelNamed(name), dir, 'digests')
}

async function statusOf(model: Model, dir: string, depth: Depth): Promise<ModelStatus> {
  const path = placeOf(model, dir)
  const { state, problem, bytes, checked } = await look(model, path, depth)
  const { name, kind, description, license } = model
  const size = state === 'missing' ? model.bytes : bytes
  return { name, kind, description, license, path, bytes: size, state, problem, checked }
}

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
