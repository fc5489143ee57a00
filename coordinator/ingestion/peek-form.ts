import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import type { IncomingMessage } from 'node:http'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { asUploadError, checkLength, MAX_FORM_OVERHEAD, tooLarge } from '../upload.ts'

/** A form that was looked into. */
export interface PeekedForm {
  /** The field that was looked for; null when the form has none. */
  value: string | null
  /** The whole form, byte for byte, from its beginning; to be read once. */
  body: Readable
  /** Lets go of what was kept of it. */
  discard(): Promise<void>
}

/** So much is kept in memory; a form whose file comes before the field goes to the disk. */
const MEMORY_BYTES = 1024 * 1024

/**
 * Reads a form until a field of it is known, which decides what becomes of the form: its bytes are kept meanwhile.
 * @param folder where what is too much for the memory is kept.
 * @throws {AppError} `bad_request`, `too_large`, `no_space`.
 */
export async function peekForm(
  request: IncomingMessage,
  field: string,
  { folder, maxBytes }: { folder: string; maxBytes: number },
): Promise<PeekedForm> {
  checkLength(request.headers, maxBytes)
  const kept = new Kept(path.join(folder, randomUUID()))
  try {
    const chunks = request.iterator({ destroyOnReturn: false }) as AsyncIterableIterator<Buffer>
    const reader = fieldReader(request, field)
    for (let next = await chunks.next(); next.done !== true; next = await chunks.next()) {
      await kept.add(next.value)
      if (kept.bytes > maxBytes + MAX_FORM_OVERHEAD) throw tooLarge(maxBytes)
      await reader.read(next.value)
      if (reader.value !== null) break
    }
    if (reader.value === null) checkWhole(request)
    const rest = reader.value === null ? noBytes() : restOf(request, chunks)
    return {
      value: reader.value,
      body: Readable.from(kept.replay(rest), { objectMode: false }),
      discard: async () => await kept.discard(),
    }
  } catch (error) {
    await kept.discard()
    throw asUploadError(error)
  }
}

/** Finds a field among the chunks of a form. @throws for what is no form. */
function fieldReader(
  request: IncomingMessage,
  field: string,
): { value: string | null; read: (chunk: Buffer) => Promise<void> } {
  let failure: Error | null = null
  const form = new Busboy({
    headers: { ...request.headers, 'content-type': request.headers['content-type'] ?? '' },
    limits: { fieldSize: MEMORY_BYTES },
  })
  const reader: { value: string | null; read: (chunk: Buffer) => Promise<void> } = {
    value: null,
    async read(chunk) {
      await new Promise<void>((resolve) => form.write(chunk, () => resolve()))
      if (failure !== null) throw failure
    },
  }
  form.on('field', (name, value) => {
    if (name === field) reader.value ??= value
  })
  form.on('file', (_, stream) => {
    stream.on('error', () => undefined)
    stream.resume()
  })
  form.on('error', (error: unknown) => {
    failure = error instanceof Error ? error : new Error(String(error))
  })
  return reader
}

async function* noBytes(): AsyncGenerator<Buffer> {}

async function* restOf(
  request: IncomingMessage,
  chunks: AsyncIterableIterator<Buffer>,
): AsyncGenerator<Buffer> {
  yield* { [Symbol.asyncIterator]: () => ({ next: async () => await chunks.next() }) }
  checkWhole(request)
}

function checkWhole(request: IncomingMessage): void {
  if (!request.complete) throw new Error('the connection was cut')
}

/** Bytes at hand: the first in memory, all of them in a file once they are many. */
class Kept {
  readonly #file: string
  #handle: FileHandle | null = null
  #chunks: Buffer[] = []
  bytes = 0

  constructor(file: string) {
    this.#file = file
  }

  async add(chunk: Buffer): Promise<void> {
    this.bytes += chunk.length
    if (this.#handle !== null) return await this.#handle.writeFile(chunk)
    this.#chunks.push(chunk)
    if (this.bytes <= MEMORY_BYTES) return
    this.#handle = await open(this.#file, 'wx')
    await this.#handle.writeFile(Buffer.concat(this.#chunks))
    this.#chunks = []
  }

  /** All of them, and then the rest. */
  async *replay(rest: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    if (this.#handle === null) yield* this.#chunks
    else yield* createReadStream(this.#file, { highWaterMark: MEMORY_BYTES })
    this.#chunks = []
    yield* rest
  }

  async discard(): Promise<void> {
    await this.#handle?.close()
    if (this.#handle !== null) await rm(this.#file, { force: true })
    this.#handle = null
  }
}
