import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { pipeline } from 'node:stream/promises'
import { isSystemError } from '../../shared/errors.ts'
import type { Digest } from './model.ts'

/** In hex. */
export async function digestOf(
  file: string,
  algorithm: Digest['algorithm'],
  signal?: AbortSignal,
): Promise<string> {
  const hash = createHash(algorithm)
  const options = { highWaterMark: 1024 * 1024 }
  await pipeline(createReadStream(file, options), hash, signal === undefined ? {} : { signal })
  return hash.digest('hex')
}

/** The record of a digest that is not published: beside the file, in the format of `sha256sum`. */
export function recordOf(file: string): string {
  return `${file}.sha256`
}

/** The digest that a file had when it was pulled, or null. */
export async function readRecord(file: string): Promise<Digest | null> {
  try {
    const hex = /^[0-9a-f]{64}(?= )/.exec(await readFile(recordOf(file), 'utf8'))?.[0]
    return hex === undefined ? null : { algorithm: 'sha256', hex }
  } catch (error) {
    if (isSystemError(error, 'ENOENT', 'ENOTDIR')) return null
    throw error
  }
}

/** @param hex the file's SHA-256. */
export async function writeRecord(file: string, hex: string): Promise<void> {
  await writeFile(recordOf(file), `${hex}  ${path.basename(file)}\n`)
}
