import { createHash, randomUUID } from 'node:crypto'
import { createWriteStream } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { IncomingHttpHeaders } from 'node:http'
import path from 'node:path'
import { Transform, type Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { Busboy } from '@fastify/busboy'
import { AppError, isDiskFull, messageOf } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { PRIVATE_FILE } from '../storage/private-folder.ts'
import { tooLarge } from './body-file.ts'
import { FormFields } from './form-fields.ts'

/** A file that came in, whole and on the disk, and not yet anybody's. */
export interface Upload {
  file: string
  filename: string
  sizeBytes: number
  /** Hex. */
  sha256: string
}

/** A form as it comes: a request, or one that has been looked into already. */
export interface FormSource {
  headers: IncomingHttpHeaders
  body: Readable
}

export interface UploadForm {
  fields: FormFields
  /** Null when the form had no part named `file`. */
  upload: Upload | null
}

const MAX_FIELD_BYTES = 1024 * 1024
const MAX_FIELDS = 50
const MAX_FILES = 10
/** Of all kinds, those without a name too: each costs time. */
export const MAX_PARTS = MAX_FIELDS + MAX_FILES
const CHUNK_BYTES = 1024 * 1024
/** What the fields and the boundaries of a form may add to its file. */
export const MAX_FORM_OVERHEAD = 2 * 1024 * 1024

/**
 * Streams a multipart form in: its `file` part to `folder`, hashed on the way, its fields to memory. Nothing of a form
 * that fails stays on the disk.
 * @throws {AppError} `bad_request`, `too_large`, `no_space`.
 */
export async function receiveForm(
  { headers, body }: FormSource,
  folder: string,
  maxBytes: number,
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
      if (name !== 'file' || part.stream !== undefined) return void stream.resume()
      part.stream = stream
      // A form may break off while the file to write to is being opened, when nobody else listens yet.
      stream.on('error', () => undefined)
      const named = cleanName(filename, headers['user-agent'])
      part.stored = store(stream, target, named, maxBytes)
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

/** Like a pipeline, but leaves the request open: an answer has to go back through its socket. */
async function pour(request: Readable, form: InstanceType<typeof Busboy>): Promise<void> {
  try {
    await new Promise<void>((resolve, reject) => {
      form.once('finish', resolve)
      // The form may find more than one fault in what it has got.
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

async function store(
  stream: Readable,
  target: string,
  filename: string,
  maxBytes: number,
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
  await pipeline(
    stream,
    measure,
    createWriteStream('', { fd: file, highWaterMark: CHUNK_BYTES, flush: true }),
  )
  return {
    file: target,
    filename,
    sizeBytes,
    sha256: hash.digest('hex'),
  }
}

/** Control characters, ends of lines, and what turns the direction of writing: `gpj.exe` is no picture. */
const UNFIT = /[\p{Cc}\p{Zl}\p{Zp}\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]/gu

/** The last part of a name as clients send it, without what a terminal or a header would stumble over. */
export function cleanName(filename: string | undefined, userAgent = ''): string {
  const last =
    unescaped(filename ?? '', userAgent)
      .split(/[/\\]/)
      .at(-1) ?? ''
  const printable = last.replace(UNFIT, '')
  // Not cut within a character: half of one cannot be written into a header.
  const clean = printable.slice(0, 255).replace(/[\ud800-\udbff]$/, '')
  return clean === '' || clean === '.' || clean === '..' ? 'source' : clean
}

/**
 * Names in forms have three characters written otherwise, and nothing else (HTML, "multipart/form-data encoding
 * algorithm"). aiohttp writes all but RFC 3986's unreserved ones as `%XX`, of UTF-8: such a name is its when the client
 * says so, or when there is more than ASCII in it, which others send as it is.
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

/** @throws {AppError} `too_large` before any of a body is read whose length says so. */
export function checkLength(headers: IncomingHttpHeaders, maxBytes: number): void {
  if (Number(headers['content-length'] ?? 0) > maxBytes + MAX_FORM_OVERHEAD)
    throw tooLarge(maxBytes)
}

export function asUploadError(error: unknown): unknown {
  if (error instanceof AppError) return error
  if (isDiskFull(error)) {
    return new AppError('no_space', 'The coordinator has no disk space for the upload.', {
      cause: error,
    })
  }
  // The disk's own trouble is not the client's.
  if (error instanceof Error && 'syscall' in error) return error
  return new AppError('bad_request', `The upload could not be read: ${messageOf(error)}`, {
    cause: error,
  })
}
