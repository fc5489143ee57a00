import type { FileHandle } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { retry } from '../../shared/retry.ts'
import { freeBytesOf, RESERVE_BYTES, type FreeBytes } from '../free-space.ts'
import { isTransient, Unreachable } from '../../shared/refusal.ts'
import type { Digest } from './model.ts'
import type { Part } from './part.ts'
import { sizeText } from './transfer-text.ts'
import type { Answer, Web } from './web.ts'

export interface Patience {
  /** Tries in a row that brought no byte before it is given up. */
  fruitless: number
  retryMinMs: number
}

export interface FileRequest {
  web: Web
  url: string
  part: Part
  signal: AbortSignal
  /** In bytes; the total is null when unknown. */
  onBytes?: ((received: number, total: number | null) => void) | undefined
  patience?: Patience | undefined
  freeBytes?: FreeBytes | undefined
}

/**
 * Fetches a file into its part until that is whole, going on where an earlier try, or an earlier process, stopped.
 * @returns the digest that the server says it has, where it says so.
 * @throws {AppError} `no_space`; a `Refusal` or `Unreachable` (shared/refusal.ts); the signal's reason.
 */
export async function fetchFile(request: FileRequest): Promise<Digest | null> {
  return await insistently(request, () => fetchRest(request))
}

/** Tries again for as long as that brings bytes, and some times more. */
export async function insistently<T>(
  { part, signal, patience = { fruitless: 6, retryMinMs: 500 } }: FileRequest,
  attempt: () => Promise<T>,
): Promise<T> {
  const received = async (): Promise<number> => (await part.read())?.bytes ?? 0
  let before = 0
  const options = {
    signal,
    retries: patience.fruitless - 1,
    minMs: patience.retryMinMs,
    maxMs: 30_000,
    isTransient,
    hasAdvanced: async () => (await received()) > before,
  }
  return await retry(options, async () => {
    before = await received()
    return await attempt()
  })
}

async function fetchRest(options: FileRequest): Promise<Digest | null> {
  const { web, url, part, signal } = options
  const there = await resumable(options)
  if (there !== null && there.bytes === there.totalBytes) return sha256(there.sha256)
  const resume = there === null ? {} : { range: `bytes=${there.bytes}-`, 'if-range': there.etag }
  const answer = await web.get(url, resume, signal)
  try {
    if (there !== null && isRest(answer, there)) {
      await append(options, answer, await part.goOn(), {
        there: there.bytes,
        total: there.totalBytes,
      })
      return sha256(there.sha256)
    }
    if (answer.statusCode === 200) {
      const totalBytes = wholeLength(answer)
      const etag = answer.header('etag')
      const promised = answer.promised?.hex ?? null
      const note = { url: web.locate(url).href, etag, totalBytes, sha256: promised }
      const file = await part.begin(note)
      await append(options, answer, file, { there: 0, total: totalBytes })
      return answer.promised
    }
  } catch (error) {
    throw web.translated(error, url, signal)
  } finally {
    // Destroyed before its end, it may raise an unhandled error.
    answer.body.on('error', () => {}).destroy()
  }
  // Another part: the next try fetches the whole file.
  await part.discard()
  const why = `${web.locate(url).host} answered ${answer.statusCode} to a request for the rest`
  throw new Unreachable(why)
}

interface Beginning {
  bytes: number
  etag: string
  totalBytes: number
  sha256: string | null
}

/** The part on disk, when it is certainly of the same file: same URL, strong etag. */
async function resumable({ web, url, part }: FileRequest): Promise<Beginning | null> {
  const there = await part.read()
  if (there === null) return null
  const { bytes, note } = there
  const { etag, totalBytes } = note
  if (note.url !== web.locate(url).href || etag === null || etag.startsWith('W/')) return null
  if (totalBytes === null || bytes > totalBytes) return null
  return { bytes, etag, totalBytes, sha256: note.sha256 }
}

function isRest(answer: Answer, { bytes, etag, totalBytes, sha256: known }: Beginning): boolean {
  if (answer.statusCode !== 206) return false
  if ((answer.header('etag') ?? etag) !== etag) return false
  if (answer.promised !== null && known !== null && answer.promised.hex !== known) return false
  return answer.header('content-range') === `bytes ${bytes}-${totalBytes - 1}/${totalBytes}`
}

/** @throws {AppError} `model_missing` for a web page or a compressed file. */
export function assertIsFile(answer: Answer): void {
  // The login page of a hotel's network or a company's proxy.
  if (answer.header('content-type')?.startsWith('text/html') === true) {
    throw new AppError('model_missing', 'a web page came instead of the file')
  }
  const encoding = answer.header('content-encoding') ?? 'identity'
  if (encoding !== 'identity') {
    throw new AppError(
      'model_missing',
      `the file came compressed (${encoding}), which was not requested`,
    )
  }
}

function wholeLength(answer: Answer): number | null {
  assertIsFile(answer)
  const length = answer.header('content-length')
  return length === null ? null : Number(length)
}

interface Rest {
  /** Bytes that the part has. */
  there: number
  /** Bytes of the whole part; null: all that come. */
  total: number | null
  /** Bytes to pass over before the missing ones. */
  skip?: number
}

/** Appends the missing bytes of a body to the part and closes it. */
export async function append(
  { part, web, url, onBytes, freeBytes }: FileRequest,
  answer: Answer,
  file: FileHandle,
  { there, total, skip = 0 }: Rest,
): Promise<void> {
  let received = there
  let unwanted = skip
  try {
    await checkSpace(part.file, (total ?? 0) - there, freeBytes)
    onBytes?.(received, total)
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      const wanted = chunk.subarray(unwanted, unwanted + (total ?? Infinity) - received)
      unwanted = Math.max(0, unwanted - chunk.length)
      if (wanted.length > 0) await file.appendFile(wanted)
      received += wanted.length
      onBytes?.(received, total)
      if (received === total) break
    }
    if (total !== null && received !== total) {
      throw new Unreachable(`${web.locate(url).host} sent ${received} of ${total} bytes`)
    }
    await file.datasync()
    // Without locks another process may have written here too.
    const { size } = await file.stat()
    if (size !== received) throw new Unreachable(`'${part.file}' has ${size} bytes`)
  } finally {
    await file.close()
  }
}

/** @throws {AppError} `no_space` when the disk has less room than that. */
async function checkSpace(
  file: string,
  bytes: number,
  freeBytes: FreeBytes = freeBytesOf,
): Promise<void> {
  const folder = path.dirname(file)
  const needed = bytes + RESERVE_BYTES
  const free = await freeBytes(folder)
  if (free >= needed) return
  throw new AppError(
    'no_space',
    `The download needs ${sizeText(needed)} in '${path.dirname(folder)}', but only ${sizeText(free)} are free: make room, or choose another --models-dir.`,
  )
}

function sha256(hex: string | null): Digest | null {
  return hex === null ? null : { algorithm: 'sha256', hex }
}
