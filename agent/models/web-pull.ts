import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { Refusal } from '../../shared/refusal.ts'
import { modelSite, modelSource } from './config.ts'
import { digestOf, readRecord, writeRecord } from './digest.ts'
import { fetchFile } from './fetch-file.ts'
import { look } from './look.ts'
import type { Digest, WebFile, WebModel } from './model.ts'
import { Part } from './part.ts'
import { fileAt, fileSize, isFolder } from './places.ts'
import type { PullOptions } from './pull-options.ts'
import { pullStaged, type StagedPull } from './staged-pull.ts'
import type { Staging } from './staging.ts'
import { sizeText } from './transfer-text.ts'

/** Fetches a model file by file. @throws {AppError} `model_missing` when a digest is wrong; as {@link pullStaged}. */
export async function pullFromWeb(model: WebModel, options: PullOptions): Promise<void> {
  const { source = modelSource() } = options
  await pullStaged(
    model,
    modelSite(source),
    options,
    (web) => {
      const urls = model.files.flatMap(({ url }) => (url === null ? [] : [url]))
      const hosts = new Set(urls.map((url) => web.locate(url).host))
      return `${[...hosts].join(', ')}, about ${sizeText(model.bytes)}`
    },
    async (pull) => {
      for (const file of model.files) await fetchOne({ ...pull, model, file })
      const staged = stagedPlace(model, pull.staging)
      const { problem } = await look(model, staged, 'names')
      if (problem !== null)
        throw new AppError('model_missing', `not all of it is there: ${problem}`)
      return staged
    },
  )
}

interface Step extends StagedPull {
  model: WebModel
  file: WebFile
}

/** Fetches one file into the staging folder. An optional one may be missing on the server. */
async function fetchOne(step: Step): Promise<void> {
  const { model, file, staging, web, options } = step
  const { url } = file
  const staged = path.join(staging.ready, file.name)
  if (url === null || (await fileSize(staged)) !== null) return
  if (file.need === 'either' && (await hasOther(model, staging))) return
  const part = new Part(path.join(staging.folder, `${file.name}.part`))
  const { onBytes, signal, patience, freeBytes } = options
  const request = { web, url, part, signal, patience, freeBytes }
  try {
    const promised = await fetchFile({
      ...request,
      onBytes: (received, total) => onBytes?.(file.name, received, total),
    })
    await check(step, part, promised)
  } catch (error) {
    const isAbsent = error instanceof Refusal && [404, 410].includes(error.status)
    if (isAbsent && file.need !== 'always') return
    throw error
  }
  await part.finish(staged)
}

/** Compares a file with its digest; where none is known, records the one it has. */
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
  // A single file's record has to be in place before the file.
  await writeRecord(isFolder(model.kind) ? path.join(staging.ready, file.name) : installed, found)
}

function stagedPlace(model: WebModel, staging: Staging): string {
  const [only] = model.files
  return isFolder(model.kind) || only === undefined
    ? staging.ready
    : path.join(staging.ready, only.name)
}

async function hasOther(model: WebModel, staging: Staging): Promise<boolean> {
  const others = model.files.filter(({ need }) => need === 'either')
  const sizes = others.map(({ name }) => fileSize(path.join(staging.ready, name)))
  return (await Promise.all(sizes)).some((size) => size !== null)
}
