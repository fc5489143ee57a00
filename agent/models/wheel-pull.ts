import { createReadStream, createWriteStream } from 'node:fs'
import { rename } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { createInflateRaw } from 'node:zlib'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { indexSite, modelSource } from './config.ts'
import { digestOf } from './digest.ts'
import { fetchSlice } from './fetch-slice.ts'
import type { WheelFile, WheelModel } from './model.ts'
import { Part } from './part.ts'
import { fileSize } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { pullStaged, type StagedPull } from './staged-pull.ts'
import { sizeText } from './transfer-text.ts'
import { wheelUrl } from './wheel-index.ts'

/**
 * Fetches programs out of their wheels, and of those no more than their bytes. Nothing of the wheels is run.
 * @throws {AppError} `model_missing` when a digest is wrong; as {@link pullStaged}.
 */
export async function pullFromWheel(model: WheelModel, options: PullOptions): Promise<void> {
  const site = indexSite(options.source ?? modelSource())
  const { files } = model
  const size = sizeText(files.reduce((sum, { packed }) => sum + packed.bytes, 0))
  const projects = files.map(({ project }) => project).join(', ')
  const from = `${projects} of ${new URL(site.index).host}, ${size}`
  await pullStaged(
    model,
    site,
    options,
    () => from,
    async (pull) => {
      for (const file of files) await fetchOne(file, site.index, pull)
      return pull.staging.ready
    },
  )
}

async function fetchOne(
  file: WheelFile,
  index: string,
  { staging, web, options }: StagedPull,
): Promise<void> {
  const { onBytes, signal, patience, freeBytes } = options
  const { name, project, wheel, packed, sha256 } = file
  const ready = path.join(staging.ready, name)
  if ((await fileSize(ready)) !== null) return
  const part = new Part(path.join(staging.folder, `${name}.part`))
  const url = await wheelUrl(web, index, project, wheel, signal)
  const request = { web, url, part, signal, patience, freeBytes }
  await fetchSlice({
    ...request,
    slice: packed,
    onBytes: (received, total) => onBytes?.(name, received, total),
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

/** Unpacks a program. @returns its SHA-256, or null for invalid data. */
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
