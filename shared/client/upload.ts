import { VIDEO_ENDINGS } from '../video-endings.ts'
import { MoragError } from './error.ts'
import type { Source, SubmitOptions } from './options.ts'
import { checkHeader, type Exchange } from './requests.ts'

/** Of an address: the coordinator may fetch the whole file before it answers, and a repeated request waits for it. */
const FETCH_MS = 3_600_000
/** Among recordings `ts` is a transport stream. */
const VIDEO: ReadonlySet<string> = new Set([...VIDEO_ENDINGS, 'ts'])

/** The request that makes a job of a source. @throws {MoragError} `usage` */
export async function submission(source: Source, options: SubmitOptions): Promise<Exchange> {
  const { signal, idempotencyKey = randomKey(), ...rest } = options
  checkHeader('idempotencyKey', idempotencyKey)
  const request = { method: 'POST', headers: { 'idempotency-key': idempotencyKey }, signal }
  const url = addressOf(source)
  if (url !== null) {
    const body = JSON.stringify({ ...fieldsOf(rest), source_url: url })
    const headers = { ...request.headers, 'content-type': 'application/json' }
    return { ...request, headers, body, timeoutMs: FETCH_MS, patienceMs: FETCH_MS }
  }
  const file = await fileOf(source as Exclude<Source, URL>, signal)
  const isBlob = file instanceof Blob
  const filename = rest.filename ?? nameOf(source)
  const type = isBlob ? file.type : ''
  const fields = { content_type: contentTypeOf(type, filename), ...fieldsOf(rest) }
  const form = Object.entries(fields).map(
    ([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)] as const,
  )
  if (!isBlob) {
    const boundary = `morag-${randomKey()}`
    const headers = {
      ...request.headers,
      'content-type': `multipart/form-data; boundary=${boundary}`,
    }
    const body = streamOf(parts(form, { boundary, filename, file }))
    return { ...request, headers, body, timeoutMs: Infinity, retries: 0 }
  }
  const body = new FormData()
  for (const [name, value] of form) body.set(name, value)
  // Last: the coordinator needs the other fields before its first byte.
  body.set('file', file, filename)
  return { ...request, body, timeoutMs: Infinity }
}

/** The fields of the API; those that are not given are left out. */
function fieldsOf({ webhook, ...given }: SubmitOptions) {
  const { content_type, task_options, priority, ingestion_task_id } = given
  const options =
    webhook === undefined ? task_options : { ...task_options, webhook_config: webhook }
  const fields = { content_type, task_options: options, priority, ingestion_task_id }
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))
}

function addressOf(source: Source): string | null {
  if (source instanceof URL) return source.href
  return typeof source === 'string' && /^https?:\/\//i.test(source) ? source : null
}

type Bytes = Blob | AsyncIterable<Uint8Array>

/** @returns a stream only where `fetch` can send one; elsewhere it is read to its end. */
async function fileOf(
  source: Exclude<Source, URL>,
  signal: AbortSignal | undefined,
): Promise<Bytes> {
  if (typeof source === 'string' || source instanceof Blob) return await blobOf(source)
  if (source instanceof ArrayBuffer || ArrayBuffer.isView(source)) {
    return new Blob([source as ArrayBuffer])
  }
  if (builtins() !== undefined) return source as AsyncIterable<Uint8Array>
  const stream =
    source instanceof ReadableStream
      ? source
      : streamOf((source as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]())
  try {
    // Cancels the source when it is aborted.
    const piped = stream.pipeThrough(new TransformStream(), signal && { signal })
    return await new Response(piped).blob()
  } catch (cause) {
    signal?.throwIfAborted()
    throw unreadable(cause)
  }
}

type Builtins = (name: 'node:fs') => { openAsBlob: (path: string) => Promise<Blob> }

/** Of Node, Bun and Deno; without `import`, at which bundlers for browsers stumble. */
function builtins(): Builtins | undefined {
  const { process } = globalThis as { process?: { getBuiltinModule?: Builtins } }
  return process?.getBuiltinModule
}

async function blobOf(source: string | Blob): Promise<Blob> {
  const open = builtins()
  if (typeof source === 'string' && open === undefined) {
    const message = `'${source}' is a path, which a browser cannot open: give a File, or an http or https address.`
    throw new MoragError('usage', message)
  }
  try {
    const blob = typeof source === 'string' ? await open!('node:fs').openAsBlob(source) : source
    // Folders can be opened, too.
    await blob.slice(0, 1).arrayBuffer()
    return blob
  } catch (cause) {
    if (typeof source !== 'string') throw unreadable(cause)
    throw new MoragError('usage', `The file '${source}' cannot be read.`, { cause })
  }
}

function unreadable(cause: unknown): MoragError {
  const reason = cause instanceof Error ? cause.message : String(cause)
  return new MoragError('usage', `The source cannot be read: ${reason}`, { cause })
}

function nameOf(source: Source): string {
  if (typeof source === 'string') return source.split(/[/\\]/).pop()!
  return (source as { name?: string }).name ?? 'recording'
}

function contentTypeOf(type: string, filename: string): string {
  const [family] = type.split('/')
  if (family === 'audio' || family === 'video') return family
  return VIDEO.has(filename.split('.').pop()!.toLowerCase()) ? 'video' : 'audio'
}

/** Also where `randomUUID` is not: on pages over plain HTTP. */
function randomKey(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(16))
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
}

interface FilePart {
  boundary: string
  filename: string
  file: AsyncIterable<Uint8Array>
}

/** A multipart form, as a browser writes it. */
async function* parts(
  fields: readonly (readonly [string, string])[],
  { boundary, filename, file }: FilePart,
): AsyncGenerator<Uint8Array, void, undefined> {
  const encode = (text: string): Uint8Array => new TextEncoder().encode(text)
  const disposition = 'content-disposition: form-data; name='
  for (const [name, value] of fields)
    yield encode(`--${boundary}\r\n${disposition}"${name}"\r\n\r\n${value}\r\n`)
  const escaped = filename.replace(/["\r\n]/g, (one) => encodeURIComponent(one))
  const type = 'content-type: application/octet-stream'
  yield encode(`--${boundary}\r\n${disposition}"file"; filename="${escaped}"\r\n${type}\r\n\r\n`)
  try {
    yield* file
  } catch (cause) {
    throw unreadable(cause)
  }
  yield encode(`\r\n--${boundary}--\r\n`)
}

function streamOf(pieces: AsyncIterator<Uint8Array>): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async pull(controller) {
      const { value, done } = await pieces.next()
      if (done === true) controller.close()
      else controller.enqueue(value)
    },
    async cancel() {
      await pieces.return?.()
    },
  })
}
