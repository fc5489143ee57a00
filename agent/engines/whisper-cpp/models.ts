import path from 'node:path'
import { ggmlFile } from '../../models/places.ts'

/** From the most exact on. */
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

/** The file of a model: a path is taken as it is. Whether it is there does not matter. */
export function ggmlPath(modelsDir: string, model: string): string {
  return isPath(model) ? path.resolve(model) : ggmlFile(modelsDir, model)
}

/** Whether a model is named by its path, and not by its name. */
export function isPath(model: string): boolean {
  return model.includes('/') || model.includes(path.sep) || model.endsWith('.bin')
}

/**
 * The most exact of some models, or null when there is none: the larger one first, one of many languages before one for
 * English, whole numbers before shortened ones. On a CPU turbo goes before the large ones, which are hardly better and
 * several times slower.
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
