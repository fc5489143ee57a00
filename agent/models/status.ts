import { MODELS, modelNamed } from './catalogue.ts'
import { installedModels } from './installed.ts'
import { look, type Depth, type ModelState } from './look.ts'
import type { Model } from './model.ts'
import { placeOf } from './places.ts'

/** As in `models list --json`. */
export interface ModelStatus {
  name: string
  kind: Model['kind']
  description: string
  license: string
  /** Of its file or folder, present or not. */
  path: string
  /** On disk, or when pulled. */
  bytes: number
  state: ModelState
  /** Null when ready. */
  problem: string | null
  checked: boolean
}

/** All models of the catalogue, and others that are present. Checks presence only. */
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
