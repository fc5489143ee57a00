import { randomUUID } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { open, rm, type FileHandle } from 'node:fs/promises'
import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import path from 'node:path'
import { Readable } from 'node:stream'
import { Busboy } from '@fastify/busboy'
import { chunksOf, tooLarge } from '../blobs/body-file.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import {
  asUploadError,
  checkLength,
  FormFields,
  MAX_FORM_OVERHEAD,
  MAX_PARTS,
  tooMany,
} from '../blobs/upload.ts'

export interface PeekedForm extends FormHead {
  /** The whole form from its first byte; to be read once. */
  body: Readable
  discard(): Promise<void>
}

export interface FormHead {
  fields: FormFields
  /** The part `file`; null while it has not arrived. */
  file: FileHead | null
}

interface FileHead {
  filename: string | undefined
  /** Its first bytes, at most {@link HEAD_BYTES}. */
  head: Buffer
  /** `head` grows no more. */
  isHeadComplete: boolean
}

/** Buffered in memory; a form whose file comes before the fields goes to the disk. */
const MEMORY_BYTES = 1024 * 1024
/** Enough to recognise a file's type. */
const HEAD_BYTES = 64 * 1024

/**
 * Reads a form until its fields decide what becomes of it, and buffers its bytes.
 * @param isEnough called after each chunk, but not at the form's end.
 * @param folder for bytes beyond {@link MEMORY_BYTES}.
 * @throws {AppError} `bad_request`, `too_large`, `no_space`.
 */
export async function peekForm(
  request: IncomingMessage,
  isEnough: (head: FormHead) => boolean,
  { folder, maxBytes }: { folder: string; maxBytes: number },
): Promise<PeekedForm> {
  checkLength(request.headers, maxBytes)
  const kept = new Kept(path.join(folder, randomUUID()))
  const chunks = chunksOf(request)
  try {
    const reader = new FormReader(request.headers)
    while (!isEnough(reader.head)) {
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
      ...reader.head,
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

/** Parses a form's fields and the head of its file. @throws {Error} for a malformed form. */
class FormReader {
  readonly head: FormHead = { fields: new FormFields(), file: null }
  readonly #form: InstanceType<typeof Busboy>
  #failure: Error | null = null

  constructor(headers: IncomingHttpHeaders) {
    this.#form = new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      limits: { fieldSize: MEMORY_BYTES, parts: MAX_PARTS },
    })
    this.#form.once('partsLimit', () => (this.#failure ??= tooMany()))
    this.#form.on('field', (name, value) => this.head.fields.add(name, value))
    this.#form.on('file', (name, stream, filename) => {
      stream.on('error', () => undefined)
      if (name === 'file' && this.head.file === null) this.#keepHead(stream, filename)
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

  /** Waits for the parser. A truncated form is the body's reader to report. */
  async end(): Promise<void> {
    const over = new Promise<void>((resolve) => {
      this.#form.once('finish', resolve)
      this.#form.once('error', () => resolve())
    })
    this.#form.end()
    await over
  }

  #keepHead(stream: Readable, filename: string | undefined): void {
    const file: FileHead = { filename, head: Buffer.alloc(0), isHeadComplete: false }
    this.head.file = file
    stream.on('data', (chunk: Buffer) => {
      if (file.isHeadComplete) return
      file.head = Buffer.concat([file.head, chunk.subarray(0, HEAD_BYTES - file.head.length)])
      file.isHeadComplete = file.head.length === HEAD_BYTES
    })
    stream.once('end', () => {
      file.isHeadComplete = true
    })
  }
}

/** Not awaited: it waits for the next chunk. */
function letGo(chunks: AsyncGenerator<Buffer>): void {
  chunks.return(undefined).catch(() => undefined)
}

/** Buffered bytes: in memory, in a file once they are many. */
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

  /** The buffered bytes, then the rest. */
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
