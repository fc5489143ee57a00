import path from 'node:path'
import type { Site } from './config.ts'
import { install } from './install.ts'
import { look } from './look.ts'
import { titleOf, type Model } from './model.ts'
import { placeOf } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { Staging } from './staging.ts'
import { Web } from './web.ts'

export interface StagedPull {
  place: string
  staging: Staging
  web: Web
  options: PullOptions
}

/**
 * Puts a model together beside its place and moves it there. A cut download is continued by the next call. Of several
 * processes one works, and the others find what it made.
 * @param describe where it comes from and how large it is.
 * @param fetchAll returns what is to be moved.
 * @throws {AppError} `no_space`, `model_missing`; a `Refusal` or `Unreachable`; the signal's reason.
 */
export async function pullStaged(
  model: Model,
  site: Site,
  options: PullOptions,
  describe: (web: Web) => string,
  fetchAll: (pull: StagedPull) => Promise<string>,
): Promise<void> {
  const { dir, signal, onProgress, idleMs, others: patience } = options
  const place = placeOf(model, dir)
  const doing = `getting ${titleOf(model)}`
  const staging = await Staging.open(place, { doing, signal, onProgress, patience })
  const web = new Web(site, idleMs)
  try {
    const isGood = async (): Promise<boolean> =>
      (await look(model, place, 'digests')).state === 'ready'
    if (await isGood()) return
    onProgress?.(`Getting ${titleOf(model)} (${describe(web)})`)
    const made = await fetchAll({ place, staging, web, options })
    signal.throwIfAborted()
    await install(made, place, path.join(staging.folder, 'old'), isGood)
    await staging.discard()
  } finally {
    await web.close()
    await staging.close()
  }
}
