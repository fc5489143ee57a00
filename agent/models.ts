import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { mkdir, mkdtemp, rename, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { AppError, isSystemError, messageOf } from '../shared/errors.ts'
import { moonshineTokens } from './engines/moonshine-tokens.ts'
import { fetchPackage, type FetchPackage, type PackageSpec } from './npm-package.ts'

interface ModelFile {
  name: string
  /** Where it lies in the package, or how it is made where no package has it. */
  source: string | (() => Promise<string>)
  bytes: number
  sha256: string
}

export interface Model {
  name: string
  description: string
  license: string
  package: PackageSpec
  /** What the package weighs on the way, in bytes. */
  downloadBytes: number
  files: readonly ModelFile[]
}

type ModelState = 'ready' | 'missing' | 'damaged'

export interface ModelStatus {
  name: string
  description: string
  license: string
  /** The folder that holds it, or would. */
  folder: string
  /** The size of its files on disk. */
  bytes: number
  state: ModelState
  /** What is wrong when it is not ready. */
  problem: string | null
}

export interface PullOptions {
  /** The folder of all models. */
  dir: string
  signal: AbortSignal
  /** A line for people, at each step. */
  onProgress?: (text: string) => void
  fetch?: FetchPackage
}

const TINY = 'dist/model/tiny/quantized'

/** Every model we can get, with the digests that its files must have. */
export const MODELS: readonly Model[] = [
  {
    name: 'moonshine-tiny',
    description: 'Moonshine tiny, quantized: speech recognition, English only',
    license: 'MIT',
    package: { name: '@moonshine-ai/moonshine-js', version: '0.1.29' },
    downloadBytes: 21_514_347,
    files: [
      {
        name: 'encoder_model.onnx',
        source: `${TINY}/encoder_model.onnx`,
        bytes: 7_937_661,
        sha256: 'c6fc4b7bc5af75c0591fd157a1f3829b533d18e9769a888fd95a62e470dd4f4a',
      },
      {
        name: 'decoder_model_merged.onnx',
        source: `${TINY}/decoder_model_merged.onnx`,
        bytes: 20_243_286,
        sha256: 'eed87831c3a6103534aae7d47a5d485025c659a1323901513961c39fe8a1a367',
      },
      {
        name: 'tokens.txt',
        source: moonshineTokens,
        bytes: 506_922,
        sha256: '0547fb182949fbf8ae2ae046de2c3da652c9c6b7e87b25287bd53ddc32ef10a6',
      },
    ],
  },
  {
    name: 'silero-vad',
    description: 'Silero VAD v6: finds where speech is',
    license: 'MIT',
    package: { name: '@ricky0123/vad-web', version: '0.0.31' },
    downloadBytes: 5_471_324,
    files: [
      {
        name: 'silero_vad_v6.onnx',
        source: 'dist/silero_vad_v6.onnx',
        bytes: 2_327_524,
        sha256: '1a153a22f4509e292a94e67d6f9b85e8deb25b4988682b7e174c65279d8788e3',
      },
    ],
  },
]

/** All models, with what is there of them in `dir`. Reads and checks every file. */
export async function listModels(dir: string): Promise<ModelStatus[]> {
  return await Promise.all(MODELS.map(({ name }) => verifyModel(name, { dir })))
}

/**
 * Whether a model is there and its files are the right ones, byte for byte.
 * @throws {AppError} `usage` when there is no such model.
 */
export async function verifyModel(name: string, { dir }: { dir: string }): Promise<ModelStatus> {
  const model = modelNamed(name)
  const folder = path.join(dir, name)
  const problem = await problemIn(model, folder)
  const state = problem === null ? 'ready' : problem === 'missing' ? 'missing' : 'damaged'
  const bytes = model.files.reduce((sum, file) => sum + file.bytes, 0)
  const { description, license } = model
  return {
    name,
    description,
    license,
    folder,
    bytes,
    state,
    problem: problem === 'missing' ? 'It is not there.' : problem,
  }
}

/**
 * The folder of a model, pulled first when it is missing or damaged. With a good one there, no network is used.
 * @throws {AppError} as `pullModel`.
 */
export async function ensureModel(name: string, options: PullOptions): Promise<string> {
  const { state, folder } = await verifyModel(name, options)
  if (state === 'ready') return folder
  if (state === 'damaged') options.onProgress?.(`The model ${name} is damaged; getting it again`)
  return await pullModel(name, options)
}

/**
 * Gets a model and puts it in place in one step, so that nobody sees half of it; several processes may do so at once.
 * @returns its folder.
 * @throws {AppError} `model_missing` when it cannot be had, `no_space`, `usage` when there is no such model.
 */
export async function pullModel(name: string, options: PullOptions): Promise<string> {
  const { dir, signal, onProgress, fetch = fetchPackage } = options
  const model = modelNamed(name)
  const folder = path.join(dir, name)
  const { name: source, version } = model.package
  try {
    await mkdir(dir, { recursive: true })
    // Beside its place, so that moving it there is a rename.
    const work = await mkdtemp(path.join(dir, `.${name}-`))
    try {
      const megabytes = Math.ceil(model.downloadBytes / 1e6)
      onProgress?.(`Getting the model ${name} (${source}@${version} from npm, ${megabytes} MB)`)
      const unpacked = path.join(work, 'package')
      await mkdir(unpacked)
      await fetch(model.package, unpacked, signal)
      const made = path.join(work, name)
      await assemble(model, unpacked, made)
      const problem = await problemIn(model, made)
      if (problem !== null)
        throw new AppError('model_missing', `the package is not the right one: ${problem}`)
      signal.throwIfAborted()
      await install(model, made, folder, path.join(work, 'old'))
      onProgress?.(`The model ${name} is ready`)
    } finally {
      await rm(work, { recursive: true, force: true })
    }
  } catch (error) {
    signal.throwIfAborted()
    throw explain(error, name, dir)
  }
  return folder
}

async function assemble(model: Model, unpacked: string, made: string): Promise<void> {
  await mkdir(made)
  for (const { name, source } of model.files) {
    const target = path.join(made, name)
    if (typeof source === 'string') await rename(path.join(unpacked, source), target)
    else await writeFile(target, await source())
  }
}

/** Moves the new folder into place, and what was there out of the way. Whoever comes second finds a good one. */
async function install(model: Model, made: string, folder: string, old: string): Promise<void> {
  for (let tries = 0; ; tries++) {
    try {
      await rename(made, folder)
      return
    } catch (error) {
      if (tries === 3 || !isSystemError(error, 'ENOTEMPTY', 'EEXIST', 'ENOTDIR')) throw error
    }
    if ((await problemIn(model, folder)) === null) return
    await rename(folder, `${old}-${tries}`).catch(ignoreMissing)
  }
}

/** What is wrong with a model's files: null when nothing is, `missing` when there are none. */
async function problemIn(model: Model, folder: string): Promise<string | null> {
  let missing = 0
  for (const { name, bytes, sha256 } of model.files) {
    const file = path.join(folder, name)
    const found = await stat(file).catch(ignoreMissing)
    if (found === undefined) missing++
    else if (found.size !== bytes) return `'${file}' has ${found.size} bytes, not ${bytes}.`
    else if ((await digest(file)) !== sha256) return `'${file}' does not have the digest it should.`
  }
  if (missing === model.files.length) return 'missing'
  return missing === 0 ? null : `'${folder}' lacks ${missing} of its ${model.files.length} files.`
}

async function digest(file: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(file), hash)
  return hash.digest('hex')
}

function modelNamed(name: string): Model {
  const model = MODELS.find((known) => known.name === name)
  if (model !== undefined) return model
  const names = MODELS.map((known) => known.name).join(', ')
  throw new AppError('usage', `There is no model '${name}'. The models are: ${names}.`)
}

function explain(error: unknown, name: string, dir: string): unknown {
  if (isSystemError(error, 'ENOSPC', 'EDQUOT')) {
    return new AppError(
      'no_space',
      `The disk is too full for the model ${name}: free some space for '${dir}'.`,
      { cause: error },
    )
  }
  if (error instanceof AppError && error.code !== 'model_missing') return error
  return new AppError(
    'model_missing',
    `The model ${name} could not be put into '${dir}': ${messageOf(error).replace(/\.$/, '')}. Let this machine reach the npm registry and write there, or copy the folder '${name}' from a machine that has it.`,
    { cause: error },
  )
}

function ignoreMissing(error: unknown): undefined {
  if (!isSystemError(error, 'ENOENT', 'ENOTDIR')) throw error
}
