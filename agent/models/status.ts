import { MODELS, modelNamed } from './catalogue.ts'
import { installedModels } from './installed.ts'
import { look, type Depth, type ModelState } from './look.ts'
import type { Model } from './model.ts'
import { placeOf } from './places.ts'

/** A model and what there is of it, as `models list --json` shows it. */
export interface ModelStatus {
  name: string
  kind: Model['kind']
  description: string
  license: string
  /** Its file, or its folder when it is several; there or not. */
  path: string
  /** What it takes on the disk, or would. */
  bytes: number
  state: ModelState
  /** What is wrong when it is not ready. */
  problem: string | null
  /** Whether every file was compared with a digest just now. */
  checked: boolean
}

/** All models that can be had, and those that are there beside them. Only looks whether files are there. */
export async function listModels(dir: string): Promise<ModelStatus[]> {
  const { ggml, ctranslate2 } = await installedModels(dir)
  const names = new Set([
    ...MODELS.map(({ name }) => name),
    ...ggml.map((name) => `ggml/${name}`),
    ...ctranslate2.map((name) => `ctranslate2/${name}`),
  ])
  return await Promise.all([...names].map((name) => statusOf(modelNamed(name), dir, 'names')))
}

/**
 * Whether a model is there and its files are the right ones, byte for byte.
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
