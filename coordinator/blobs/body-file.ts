import { createHash } from 'node:crypto'
import { mkdir, open, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { AppError, isDiskFull, messageOf } from '../../shared/errors.ts'
import { removeLeftovers, type FolderUse } from './leftovers.ts'
import { makePrivateFolder, PRIVATE_FILE, PRIVATE_FOLDER } from '../storage/private-folder.ts'

const MIB = 1024 * 1024

/** The folder beside those of jobs in which files are written until they are complete. */
export const INCOMING = '.incoming'

/** Makes a folder of the data folder, with {@link INCOMING}, without leftovers. @returns its path. */
export async function incomingFolder(
  dataDir: string,
  name: string,
  use: FolderUse,
): Promise<string> {
  const dir = path.join(dataDir, name)
  const incoming = path.join(dir, INCOMING)
  makePrivateFolder(dir)
  await mkdir(incoming, { recursive: true, mode: PRIVATE_FOLDER })
  await removeLeftovers(incoming, use)
  return dir
}

export interface ReceivedFile {
  sizeBytes: number
  /** Hex. */
  sha256: string
}

/**
 * Streams a request's body to a new, synced file. The request stays open, since the answer goes back through its socket.
 * @throws {AppError} `too_large`, `bad_request` when it was cut off, `no_space`; then no file is left.
 */
export async function receiveFile(
  request: IncomingMessage,
  target: string,
  maxBytes: number,
): Promise<ReceivedFile> {
  if (Number(request.headers['content-length'] ?? 0) > maxBytes) throw tooLarge(maxBytes)
  const hash = createHash('sha256')
  let sizeBytes = 0
  try {
    const file = await open(target, 'w', PRIVATE_FILE)
    try {
      for await (const chunk of bodyOf(request)) {
        sizeBytes += chunk.length
        if (sizeBytes > maxBytes) throw tooLarge(maxBytes)
        hash.update(chunk)
        await file.writeFile(chunk)
      }
      await file.datasync()
    } finally {
      await file.close()
    }
    return { sizeBytes, sha256: hash.digest('hex') }
  } catch (error) {
    await rm(target, { force: true })
    throw noSpaceFor('the file', error)
  }
}

/**
 * A request's body in chunks. However its reader stops, the request stays open: an answer has to go back through its
 * socket, and the server discards the rest.
 * @throws {Error} when it breaks off before its end.
 */
export async function* chunksOf(request: IncomingMessage): AsyncGenerator<Buffer> {
  const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>
  try {
    // A loop or yield* would pass its reader's error on, which destroys the connection.
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      yield next.value
    }
  } finally {
    await chunks.return?.()
  }
  if (!request.complete) throw new Error('the connection was cut')
}

/**
 * Reads a request's body into memory. However that ends, the request stays open, as after {@link chunksOf}.
 * @param onChunk called with the length of each chunk; what it throws ends the reading.
 * @throws {AppError} `too_large`, `bad_request` when it breaks off, and what `onChunk` throws.
 */
export async function wholeBody(
  request: IncomingMessage,
  mostBytes: number,
  onChunk: (bytes: number) => void,
): Promise<Buffer<ArrayBuffer>> {
  const tooLarge = (): AppError =>
    new AppError('too_large', `The request is larger than the ${mostBytes / MIB} MiB allowed here.`)
  if (Number(request.headers['content-length'] ?? 0) > mostBytes) throw tooLarge()
  return await new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let bytes = 0
    const stop = (): void => {
      request.off('data', take).off('end', end).off('error', cut).off('close', cut).pause()
    }
    const take = (chunk: Buffer): void => {
      try {
        bytes += chunk.length
        if (bytes > mostBytes) throw tooLarge()
        onChunk(chunk.length)
        chunks.push(chunk)
      } catch (error) {
        stop()
        reject(error as Error)
      }
    }
    const end = (): void => {
      stop()
      resolve(Buffer.concat(chunks, bytes))
    }
    const cut = (error: Error = new Error('the connection was cut')): void => {
      stop()
      const message = `The request could not be read: ${messageOf(error)}.`
      reject(new AppError('bad_request', message, { cause: error }))
    }
    request.on('data', take).on('end', end).on('error', cut).on('close', cut)
  })
}

async function* bodyOf(request: IncomingMessage): AsyncIterable<Buffer> {
  try {
    yield* chunksOf(request)
  } catch (error) {
    const message = `The body could not be read: ${messageOf(error)}.`
    throw new AppError('bad_request', message, { cause: error })
  }
}

export function tooLarge(maxBytes: number): AppError {
  return new AppError('too_large', `The file is larger than the ${maxBytes} bytes allowed here.`)
}

/** `no_space` for a full disk; any other error unchanged. */
export function noSpaceFor(what: string, error: unknown): unknown {
  if (!isDiskFull(error)) return error
  const message = `The coordinator has no disk space for ${what}.`
  return new AppError('no_space', message, { cause: error })
}
