import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { FIRST } from '../../agent/models/catalogue.ts'
import { ensureModel } from '../../agent/models/models.ts'
import { MINUTE } from '../../shared/duration.ts'

/** The checkout. */
export const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** What tests keep between runs: fetched models and ffmpeg, the duration of each file. */
export const CACHE = path.join(ROOT, 'node_modules/.cache/morag-tests')

/** Fetches ffmpeg and the embedded models once for a checkout. */
export async function fetchModels(): Promise<void> {
  const options = {
    dir: path.join(CACHE, 'morag', 'models'),
    signal: AbortSignal.timeout(10 * MINUTE),
    onProgress: (text: string) => console.error(text),
  }
  for (const { name } of FIRST) await ensureModel(name, options)
}
