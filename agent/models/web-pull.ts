import { stat } from 'node:fs/promises'
import path from 'node:path'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { Refusal } from '../client/retry.ts'
import { modelSite, modelSource } from './config.ts'
import { digestOf, readRecord, writeRecord } from './digest.ts'
import { fetchFile } from './fetch-file.ts'
import { install } from './install.ts'
import { look } from './look.ts'
import type { Digest, WebFile, WebModel } from './model.ts'
import { Part } from './part.ts'
import { fileAt, placeOf } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { Staging } from './staging.ts'
import { sizeText } from './transfer-text.ts'
import { Web } from './web.ts'

/**
 * Gets a model file by file. A cut download stays beside the model's place and is gone on with by the next call; of
 * several processes one works, and the others find what it made.
 * @throws {AppError} `model_missing` when a digest is wrong, `no_space`; a `Refusal` or `Unreachable`; the signal's
 * reason.
 */
export async function pullFromWeb(model: WebModel, options: PullOptions): Promise<void> {
  const { dir, signal, onProgress, source = modelSource(), idleMs } = options
  const place = placeOf(model, dir)
  const staging = await Staging.open(place, {
    doing: `getting the model ${model.name}`,
    signal,
    onProgress,
    patience: options.others,
  })
  const web = new Web(modelSite(source), idleMs)
  try {
    const isGood = async (): Promise<boolean> =>
      (await look(model, place, 'digests')).state === 'ready'
    if (await isGood()) return
    const from = new Set(
      model.files.flatMap(({ url }) => (url === null ? [] : web.locate(url).host)),
    )
    const size = sizeText(model.bytes)
    onProgress?.(`Getting the model ${model.name} (${[...from].join(', ')}, about ${size})`)
    for (const file of model.files) await fetchOne({ model, file, place, staging, web, options })
    signal.throwIfAborted()
    const { problem } = await look(model, stagedPlace(model, staging), 'names')
    if (problem !== null) throw new AppError('model_missing', `not all of it is there: ${problem}`)
    await install(stagedPlace(model, staging), place, path.join(staging.folder, 'old'), isGood)
    await staging.discard()
  } finally {
    await web.close()
    await staging.close()
  }
}

interface Step {
  model: WebModel
  file: WebFile
  place: string
  staging: Staging
  web: Web
  options: PullOptions
}

/** Brings one file, whole and right, into the staging folder. One that need not be there may be missing there then. */
async function fetchOne(step: Step): Promise<void> {
  const { model, file, staging, web, options } = step
  const { url } = file
  const staged = path.join(staging.ready, file.name)
  if (url === null || (await isFile(staged))) return
  if (file.need === 'either' && (await hasOther(model, staging))) return
  const part = new Part(path.join(staging.folder, `${file.name}.part`))
  const { onBytes, signal, patience, freeBytes } = options
  const progress =
    onBytes === undefined
      ? undefined
      : (received: number, total: number | null) => onBytes(file.name, received, total)
  try {
    const promised = await fetchFile({
      web,
      url,
      part,
      signal,
      onBytes: progress,
      patience,
      freeBytes,
    })
    await check(step, part, promised)
  } catch (error) {
    const isAbsent = error instanceof Refusal && [404, 410].includes(error.status)
    if (isAbsent && file.need !== 'always') return
    throw error
  }
  await part.finish(staged)
}

/** Compares what came with the digest it must have; where nobody knows one, what it has is written down. */
async function check(
  { model, file, place, staging, options }: Step,
  part: Part,
  promised: Digest | null,
): Promise<void> {
  const installed = fileAt(model, place, file.name)
  const recorded = file.digest === null ? await readRecord(installed) : null
  const right = file.digest ?? recorded ?? promised
  const found = await digestOf(part.file, right?.algorithm ?? 'sha256', options.signal)
  if (right !== null && found !== right.hex) {
    await staging.discard()
    const fix =
      recorded === null
        ? 'Nothing was installed; the next try starts anew'
        : `It had that one when it was first pulled. If the new one is right, first run: morag-agent models remove ${model.name}`
    throw new AppError(
      'model_missing',
      `${file.name} came with the digest ${found}, not ${right.hex} (${right.algorithm}). ${fix}`,
    )
  }
  if (file.digest !== null) return
  // A single file's record has to be at its place before the file is.
  const isFolder = model.kind === 'ctranslate2'
  await writeRecord(isFolder ? path.join(staging.ready, file.name) : installed, found)
}

function stagedPlace(model: WebModel, staging: Staging): string {
  const [only] = model.files
  return model.kind === 'ctranslate2' || only === undefined
    ? staging.ready
    : path.join(staging.ready, only.name)
}

async function hasOther(model: WebModel, staging: Staging): Promise<boolean> {
  const others = model.files.filter(({ need }) => need === 'either')
  const found = others.map(({ name }) => isFile(path.join(staging.ready, name)))
  return (await Promise.all(found)).includes(true)
}

async function isFile(file: string): Promise<boolean> {
  try {
    return (await stat(file)).isFile()
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return false
    throw error
  }
}
