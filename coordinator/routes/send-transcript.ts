import { Readable } from 'node:stream'
import type { Context } from 'hono'
import { OpenCount } from '../access/open-count.ts'
import { MEDIA_TYPES } from '../../shared/forms.ts'
import { SERVED_PAGE_POLICY } from '../../shared/transcript-page.ts'
import type { OpenFile } from '../blobs/renditions.ts'
import type { Reader } from '../blobs/transcripts.ts'
import { sendStream } from './download.ts'
import { callerGone, type Env } from './http.ts'

/** In memory for each reader, however slow. */
const CHUNK_BYTES = 64 * 1024

/** Of the 64 large transcripts of all tokens that may wait to be rendered. */
const RENDERINGS_OF_TOKEN = 8

/** Makes readers of requests, which together render no more than a token may. */
export function transcriptReaders(): (c: Context<Env>) => Reader {
  const renderings = new OpenCount('transcripts being rendered', RENDERINGS_OF_TOKEN)
  return (c) => ({ signal: callerGone(c), hold: () => renderings.hold(c.var.principal) })
}

/** Sends a transcript in a format: from its text, or from a file, which is closed. */
export async function sendForm(
  c: Context<Env>,
  form: string | OpenFile,
  mediaType: string,
): Promise<Response> {
  const type = `${mediaType}; charset=utf-8`
  // On Node's response, so that streamed answers have it too.
  if (mediaType === MEDIA_TYPES.html)
    c.env.outgoing.setHeader('content-security-policy', SERVED_PAGE_POLICY)
  if (typeof form === 'string') return c.body(form, { headers: { 'content-type': type } })
  return await sendParts(c, form, type)
}

/**
 * Sends a JSON object with a transcript's fields in it.
 * @param fields a JSON object with these fields; a file is closed.
 * @param around the JSON before and after the fields.
 */
export async function sendFields(
  c: Context<Env>,
  fields: string | OpenFile,
  { before, after }: { before: string; after: string },
): Promise<Response> {
  const type = 'application/json'
  if (typeof fields === 'string')
    return c.body(`${before}${fields.slice(1, -1)}${after}`, { headers: { 'content-type': type } })
  return await sendParts(c, fields, type, { before, after, skip: 1 })
}

/** @param skip bytes of the file left out at its start and at its end. */
async function sendParts(
  c: Context<Env>,
  { file, sizeBytes }: OpenFile,
  type: string,
  { before, after, skip } = { before: '', after: '', skip: 0 },
): Promise<Response> {
  const bytes = Buffer.byteLength(before) + sizeBytes - 2 * skip + Buffer.byteLength(after)
  const headers = { 'content-type': type, 'content-length': String(bytes) }
  if (c.req.method === 'HEAD' || sizeBytes === 0) {
    await file.close()
    return c.body(null, 200, headers)
  }
  const range = { start: skip, end: sizeBytes - 1 - skip }
  const chunks = file.createReadStream({ ...range, highWaterMark: CHUNK_BYTES })
  async function* parts(): AsyncGenerator<Buffer> {
    if (before !== '') yield Buffer.from(before)
    yield* chunks as AsyncIterable<Buffer>
    if (after !== '') yield Buffer.from(after)
  }
  const stream = Readable.from(parts(), { objectMode: false, highWaterMark: CHUNK_BYTES })
  // Also when the client disconnects before the first byte is read.
  stream.once('close', () => chunks.destroy())
  return await sendStream(c, stream, 200, headers)
}
