import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { FormFields } from '../blobs/form-fields.ts'
import { chunksOf } from '../blobs/request-chunks.ts'
import { tooLarge } from '../blobs/body-file.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import {
  asUploadError,
  checkLength,
  MAX_FORM_OVERHEAD,
  MAX_PARTS,
  tooMany,
} from '../blobs/upload.ts'

/** A form that was looked into. */
export interface PeekedForm extends Seen {
  /** The whole form, byte for byte, from its beginning; to be read once. */
  body: Readable
  /** Lets go of what was kept of it. */
  discard(): Promise<void>
}

/** What is known of a form by now. */
export interface Seen {
  /** Those that have come. */
  fields: FormFields
  /** The part `file`; null: it has not come, or the form has none. */
  file: SeenFile | null
}

interface SeenFile {
  /** As the client wrote it. */
  filename: string | undefined
  /** Its first bytes, at most {@link HEAD_BYTES}. */
  head: Buffer
  /** Whether these are all that will be kept of it. */
  isRead: boolean
}

/** So much is kept in memory; a form whose file comes before the field goes to the disk. */
const MEMORY_BYTES = 1024 * 1024
/** Enough to tell what a file is. */
const HEAD_BYTES = 64 * 1024

/**
 * Reads a form until enough of it is known to decide what becomes of it: its bytes are kept meanwhile.
 * @param isEnough asked after each piece, at the form's end no more.
 * @param folder where what is too much for the memory is kept.
 * @throws {AppError} `bad_request`, `too_large`, `no_space`.
 */
export async function peekForm(
  request: IncomingMessage,
  isEnough: (seen: Seen) => boolean,
  { folder, maxBytes }: { folder: string; maxBytes: number },
): Promise<PeekedForm> {
  checkLength(request.headers, maxBytes)
  const kept = new Kept(path.join(folder, randomUUID()))
  const chunks = chunksOf(request)
  try {
    const reader = new FormReader(request.headers)
    while (!isEnough(reader.seen)) {
      const next = await chunks.next()
      if (next.done === true) {
        await reader.end()
        break
      }
      await kept.add(next.value)
      if (kept.bytes > maxBytes + MAX_FORM_OVERHEAD) throw tooLarge(maxBytes)
      await reader.read(next.value)
    }
    const body = Readable.from(kept.replay(chunks), { objectMode: false })
    return {
      ...reader.seen,
      body,
      async discard() {
        body.destroy()
        letGo(chunks)
        await kept.discard()
      },
    }
  } catch (error) {
    letGo(chunks)
    await kept.discard()
    throw asUploadError(error)
  }
}

/** Looks for what decides among the pieces of a form. @throws {Error} for what is no form. */
class FormReader {
  readonly seen: Seen = { fields: new FormFields(), file: null }
  readonly #form: InstanceType<typeof Busboy>
  #failure: Error | null = null

  constructor(headers: IncomingHttpHeaders) {
    this.#form = new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      limits: { fieldSize: MEMORY_BYTES, parts: MAX_PARTS },
    })
    this.#form.once('partsLimit', () => (this.#failure ??= tooMany()))
    this.#form.on('field', (name, value) => this.seen.fields.add(name, value))
    this.#form.on('file', (name, stream, filename) => {
      stream.on('error', () => undefined)
      if (name === 'file' && this.seen.file === null) this.#keepHead(stream, filename)
      else stream.resume()
    })
    this.#form.on('error', (error: unknown) => {
      this.#failure ??= error instanceof Error ? error : new Error(String(error))
    })
  }

  async read(chunk: Buffer): Promise<void> {
    await new Promise<void>((resolve) => this.#form.write(chunk, () => resolve()))
    if (this.#failure !== null) throw this.#failure
  }

  /** Waits for all of it to be seen. That it is not whole is for its last reader to say. */
  async end(): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#form.once('finish', resolve)
      this.#form.once('error', () => resolve())
    })
    this.#form.end()
    await over
  }

  #keepHead(stream: Readable, filename: string | undefined): void {
    const file: SeenFile = { filename, head: Buffer.alloc(0), isRead: false }
    this.seen.file = file
    stream.on('data', (chunk: Buffer) => {
      if (file.isRead) return
      file.head = Buffer.concat([file.head, chunk.subarray(0, HEAD_BYTES - file.head.length)])
      file.isRead = file.head.length === HEAD_BYTES
    })
    stream.once('end', () => {
      file.isRead = true
    })
  }
}

/** Not waited for: the next piece may be long in coming, and only then can this be done. */
function letGo(chunks: AsyncGenerator<Buffer>): void {
  chunks.return(undefined).catch(() => undefined)
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
    this.#handle = await open(this.#file, 'wx', PRIVATE_FILE)
    await this.#handle.writeFile(Buffer.concat(this.#chunks))
    this.#chunks = []
  }

  /** All of them, and then the rest. */
  async *replay(rest: AsyncGenerator<Buffer>): AsyncGenerator<Buffer> {
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
