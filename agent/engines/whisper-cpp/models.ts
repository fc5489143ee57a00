import path from 'node:path'
import { ggmlFile } from '../../models/places.ts'

/** The most accurate first. */
const BEST = [
  'large-v3',
  'large-v3-turbo',
  'large-v2',
  'large-v1',
  'medium',
  'small',
  'base',
  'tiny',
]

/** A model's file, which need not exist. A path is taken as it is. */
export function ggmlPath(modelsDir: string, model: string): string {
  return isPath(model) ? path.resolve(model) : ggmlFile(modelsDir, model)
}

export function isPath(model: string): boolean {
  return model.includes('/') || model.includes(path.sep) || model.endsWith('.bin')
}

/**
 * The most accurate model, or null: the largest, multilingual before English-only, full precision before quantised. On
 * a CPU turbo goes before the large models, which are hardly better and several times slower.
 */
export function bestModel(models: readonly string[], onCpu: boolean): string | null {
  return models.toSorted((a, b) => rank(a, onCpu) - rank(b, onCpu) || (a < b ? -1 : 1))[0] ?? null
}

function rank(model: string, onCpu: boolean): number {
  const order = onCpu ? ['large-v3-turbo', ...BEST] : BEST
  const at = order.indexOf(model.replace(/-q\d.*$/, '').replace(/\.en\b/, ''))
  const size = at === -1 ? order.length : at
  return size * 4 + (/\.en\b/.test(model) ? 2 : 0) + (/-q\d/.test(model) ? 1 : 0)
}
