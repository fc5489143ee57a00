import { createHash } from 'node:crypto'
import { open, rm } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import { AppError, isDiskFull, messageOf } from '../../shared/errors.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import { chunksOf } from './request-chunks.ts'

/** A body that came in whole and is on the disk. */
export interface ReceivedFile {
  sizeBytes: number
  /** Hex. */
  sha256: string
}

/**
 * Streams a request's body to a new file, hashed on the way and synced. The request stays open, since an answer has to
 * go back through its socket. Nothing of a body that fails stays on the disk.
 * @throws {AppError} `too_large`, `bad_request` when it was cut off, `no_space`.
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
    throw isDiskFull(error)
      ? new AppError('no_space', 'The coordinator has no disk space for the file.', {
          cause: error,
        })
      : error
  }
}

async function* bodyOf(request: IncomingMessage): AsyncIterable<Buffer> {
  try {
    yield* chunksOf(request)
  } catch (error) {
    throw new AppError('bad_request', `The body could not be read: ${messageOf(error)}.`, {
      cause: error,
    })
  }
}

/** What is said of a file beyond a limit. */
export function tooLarge(maxBytes: number): AppError {
  return new AppError('too_large', `The file is larger than the ${maxBytes} bytes allowed here.`)
}
