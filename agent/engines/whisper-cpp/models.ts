import path from 'node:path'
import { ggmlFile } from '../../models/places.ts'
import { whisperRank } from '../whisper/rank.ts'

/** A model's file, which need not exist. A path is taken as it is. */
export function ggmlPath(modelsDir: string, model: string): string {
  return isPath(model) ? path.resolve(model) : ggmlFile(modelsDir, model)
}

export function isPath(model: string): boolean {
  return model.includes('/') || model.includes(path.sep) || model.endsWith('.bin')
}

/** The best by `whisperRank`, others after those; null: there are none. */
export function bestModel(models: readonly string[], onCpu: boolean): string | null {
  const rank = (model: string): number => whisperRank(model, onCpu) ?? Infinity
  const byRank = (a: string, b: string): number =>
    rank(a) === rank(b) ? (a < b ? -1 : 1) : rank(a) - rank(b)
  return models.toSorted(byRank)[0] ?? null
}
