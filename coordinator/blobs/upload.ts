import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import path from 'node:path'
import { PassThrough, Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { AppError, messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import { noSpaceFor, tooLarge } from './body-file.ts'

/** A complete file on disk that belongs to no job yet. */
export interface Upload {
  file: string
  filename: string
  sizeBytes: number
  /** Hex. */
  sha256: string
}

/** A form's request, or its headers and a body that was peeked into. */
export interface FormSource {
  headers: IncomingHttpHeaders
  body: Readable
}

export interface UploadForm {
  fields: FormFields
  /** Null when the form had no such part. */
  upload: Upload | null
}

/** The text fields of a form. Names may repeat; empty values are ignored. */
export class FormFields {
  readonly #values = new Map<string, string[]>()

  add(name: string, value: string): void {
    if (value.trim() === '') return
    const values = this.#values.get(name)
    if (values === undefined) this.#values.set(name, [value])
    else values.push(value)
  }

  get(name: string): string | null {
    return this.#values.get(name)?.[0] ?? null
  }

  entries(): Iterable<[string, readonly string[]]> {
    return this.#values.entries()
  }

  toObject(): Record<string, string> {
    return Object.fromEntries(Array.from(this.#values, ([name, [value = '']]) => [name, value]))
  }
}

const MAX_FIELD_BYTES = 1024 * 1024
const MAX_FIELDS = 50
const MAX_FILES = 10
/** Of all kinds, also without a name. */
export const MAX_PARTS = MAX_FIELDS + MAX_FILES
const CHUNK_BYTES = 1024 * 1024
/** What fields and boundaries may add to the file. */
export const MAX_FORM_OVERHEAD = 2 * 1024 * 1024

export interface FilePart {
  name: string
  /** Changes its bytes as they come. */
  convert: Transform
}

/**
 * Reads a multipart form: its file part (`file` by default) to `folder`, its fields to memory.
 * @throws {AppError} `bad_request`, `too_large`, `no_space`; then no file is left.
 */
export async function receiveForm(
  { headers, body }: FormSource,
  folder: string,
  maxBytes: number,
  wanted: FilePart = { name: 'file', convert: new PassThrough() },
): Promise<UploadForm> {
  checkLength(headers, maxBytes)
  const fields = new FormFields()
  const target = path.join(folder, randomUUID())
  const part: { stream?: Readable; stored?: Promise<Upload> } = {}
  try {
    const form = new Busboy({
      headers: { ...headers, 'content-type': headers['content-type'] ?? '' },
      limits: {
        files: MAX_FILES,
        fields: MAX_FIELDS,
        parts: MAX_PARTS,
        fieldSize: MAX_FIELD_BYTES,
        fileSize: maxBytes + 1,
      },
    })
    form.on('field', (name, value, _, isCut) => {
      if (isCut) form.destroy(tooMuch(`the field '${printable(name, { most: 100 })}'`))
      else fields.add(name, value)
    })
    for (const event of ['fieldsLimit', 'filesLimit', 'partsLimit'] as const)
      form.once(event, () => form.destroy(tooMany()))
    form.on('file', (name, stream, filename) => {
      if (name !== wanted.name || part.stream !== undefined) return void stream.resume()
      part.stream = stream
      // The form may break off while the target is being opened, before any other listener.
      stream.on('error', () => undefined)
      const named = cleanName(filename, headers['user-agent'])
      part.stored = storeFile(stream, target, named, maxBytes, { convert: wanted.convert })
      part.stored.catch((error: unknown) => form.destroy(error as Error))
    })
    await pour(body, form)
    return { fields, upload: (await part.stored) ?? null }
  } catch (error) {
    part.stream?.destroy(error as Error)
    await part.stored?.catch(() => undefined)
    await rm(target, { force: true })
    throw asUploadError(error)
  }
}

export function tooMany(): AppError {
  return tooMuch('its number of parts')
}

function tooMuch(what: string): AppError {
  return new AppError('too_large', `The form is not taken: ${what} is more than is allowed here.`)
}

/** Like `pipeline`, but leaves the request open: the answer goes back through its socket. */
async function pour(request: Readable, form: InstanceType<typeof Busboy>): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      form.once('finish', resolve)
      // Not `once`: the form may emit more than one error.
      form.on('error', reject)
      request.once('error', reject)
      request.once('close', () => {
        if (!request.readableEnded) reject(new Error('the connection was cut'))
      })
      request.pipe(form)
    })
  } finally {
    request.unpipe(form)
  }
}

/** Writes a file durably. @throws {AppError} `too_large`; what the stream and the disk throw. */
export async function storeFile(
  stream: Readable,
  target: string,
  filename: string,
  maxBytes: number,
  { convert, signal }: { convert?: Transform; signal?: AbortSignal },
): Promise<Upload> {
  const hash = createHash('sha256')
  let sizeBytes = 0
  const measure = new Transform({
    transform(chunk: Buffer, _, done) {
      sizeBytes += chunk.length
      if (sizeBytes > maxBytes) return done(tooLarge(maxBytes))
      hash.update(chunk)
      done(null, chunk)
    },
  })
  const file = await open(target, 'wx', PRIVATE_FILE)
  const written = createWriteStream('', { fd: file, highWaterMark: CHUNK_BYTES, flush: true })
  const steps = [stream, ...(convert === undefined ? [] : [convert]), measure, written]
  await pipeline(steps, { ...(signal !== undefined && { signal }) })
  return { file: target, filename, sizeBytes, sha256: hash.digest('hex') }
}

/** Control characters, line ends, and bidirectional controls, which can disguise an extension. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The base name of a client's file name, safe for terminals and headers. */
export function cleanName(filename: string | undefined, userAgent = ''): string {
  const last =
    unescaped(filename ?? '', userAgent)
      .split(/[/\\]/)
      .at(-1) ?? ''
  const printable = last.replace(UNFIT, '')
  // Never half of a surrogate pair.
  const clean = printable.slice(0, 255).replace(/[\ud800-\udbff]$/, '')
  return clean === '' || clean === '.' || clean === '..' ? 'source' : clean
}

/**
 * Forms escape three characters in names (HTML, "multipart/form-data encoding algorithm"). aiohttp percent-encodes all but
 * RFC 3986's unreserved ones as UTF-8: assumed for its user agent, and for names with more than ASCII, which others send
 * unescaped.
 */
function unescaped(name: string, userAgent: string): string {
  if (/^[\w.~-]*(%[0-9A-F]{2}[\w.~-]*)+$/.test(name)) {
    const decoded = decodedOrNull(name)
    const isQuoted = /\baiohttp\//.test(userAgent) || /[^\0-\x7f]/.test(decoded ?? '')
    if (decoded !== null && isQuoted) return decoded
  }
  return name.replaceAll('%22', '"').replace(/%0D/gi, '\r').replace(/%0A/gi, '\n')
}

function decodedOrNull(name: string): string | null {
  try {
    return decodeURIComponent(name)
  } catch {
    return null
  }
}

/** @throws {AppError} `too_large` by the Content-Length, before the body is read. */
export function checkLength(headers: IncomingHttpHeaders, maxBytes: number): void {
  if (Number(headers['content-length'] ?? 0) > maxBytes + MAX_FORM_OVERHEAD)
    throw tooLarge(maxBytes)
}

export function asUploadError(error: unknown): unknown {
  const known = noSpaceFor('the upload', error)
  // Other errors of the disk are not the client's fault.
  if (known instanceof AppError || (known instanceof Error && 'syscall' in known)) return known
  return new AppError('bad_request', `The upload could not be read: ${messageOf(error)}`, {
    cause: error,
  })
}
