import type { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import contentDisposition from 'content-disposition'
import type { Context } from 'hono'
import parseRange from 'range-parser'
import { AppError, isSystemError } from '../../shared/errors.ts'
import type { Job } from '../job/job.ts'
import type { Bytes, OpenSource } from '../blobs/sources.ts'
import type { Env } from './http.ts'

const CHUNK_BYTES = 1024 * 1024

export const DISCONNECTED = [
  'ERR_STREAM_PREMATURE_CLOSE',
  'ERR_STREAM_UNABLE_TO_PIPE',
  'ECONNRESET',
  'EPIPE',
]

/** What {@link sendSource} reads, and what it can answer beside 200. */
export const RANGE_HEADERS = {
  Range: { description: 'One range of bytes.' },
  'If-Range': { description: 'The ETag of the bytes fetched before.' },
}
export const RANGE_STATUSES = {
  '206': 'The range asked for.',
  '416': 'There is no such range.',
}

interface Range {
  start: number
  end: number
}

export interface SendSourceOptions {
  /** Null: sent as an attachment to be saved, not to be played. */
  mediaType?: string | null
  /** Called once the source's last byte is sent. */
  onSent?: () => Promise<void>
}

/**
 * Streams a source, or the range asked for (RFC 9110, section 14), with its digest where known (RFC 9530). Several ranges
 * at once are answered with the whole, which the RFC allows.
 */
export async function sendSource(
  c: Context<Env>,
  job: Job,
  source: OpenSource,
  { mediaType = null, onSent }: SendSourceOptions = {},
): Promise<Response> {
  const { file, sizeBytes, etag } = source
  const { sha256, filename } = job.source
  const type = mediaType === null ? 'attachment' : 'inline'
  const headers: Record<string, string> = {
    'accept-ranges': 'bytes',
    etag,
    'content-type': mediaType ?? 'application/octet-stream',
    'content-disposition': contentDisposition(filename, { type }),
  }
  if (sha256 !== null) {
    headers['repr-digest'] = `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`
  }
  const range = rangeOf(c, sizeBytes, etag)
  const { start, end } =
    range === 'unsatisfiable' ? { start: 0, end: -1 } : (range ?? { start: 0, end: sizeBytes - 1 })
  headers['content-length'] = String(end - start + 1)
  if (range === 'unsatisfiable') headers['content-range'] = `bytes */${sizeBytes}`
  else if (range !== null) headers['content-range'] = `bytes ${start}-${end}/${sizeBytes}`
  const status = range === null ? 200 : range === 'unsatisfiable' ? 416 : 206
  const isLast = range !== 'unsatisfiable' && end === sizeBytes - 1
  return await sendFile(c, file, { start, end }, status, headers, isLast ? onSent : undefined)
}

/** Streams a range of a file, then closes it. */
export async function sendFile(
  c: Context<Env>,
  file: Bytes,
  { start, end }: Range,
  status: 200 | 206 | 416,
  headers: Record<string, string>,
  onSent?: () => Promise<void>,
): Promise<Response> {
  if (c.req.method === 'HEAD' || end < start) {
    await file.close()
    if (c.req.method !== 'HEAD') await onSent?.()
    return c.body(null, status, headers)
  }
  const chunks = await file.createReadStream({ start, end, highWaterMark: CHUNK_BYTES })
  return await sendStream(c, chunks, status, headers, onSent)
}

/** Streams at the client's pace. */
export async function sendStream(
  c: Context<Env>,
  stream: Readable,
  status: 200 | 206 | 416,
  headers: Record<string, string>,
  onSent?: () => Promise<void>,
): Promise<Response> {
  const { outgoing } = c.env
  outgoing.writeHead(status, headers)
  try {
    await pipeline(stream, outgoing)
    await onSent?.()
  } catch (error) {
    // A client that disconnects is no failure: it resumes with a range.
    if (!isSystemError(error, ...DISCONNECTED) && !isCutByOrigin(error)) throw error
  } finally {
    // Node 24 leaves it open where the client has disconnected before.
    stream.destroy()
  }
  return RESPONSE_ALREADY_SENT
}

/** The origin of a source broke off, too, as the log says. */
function isCutByOrigin(error: unknown): boolean {
  return error instanceof AppError && error.code === 'bad_gateway'
}

function rangeOf(c: Context, sizeBytes: number, etag: string): Range | 'unsatisfiable' | null {
  const header = c.req.header('range')
  const condition = c.req.header('if-range')
  if (header === undefined || (condition !== undefined && condition !== etag)) return null
  // A suffix longer than the file is the whole file (RFC 9110, section 14.1.2); the parser calls it unsatisfiable.
  const suffix = /^bytes=-(\d+)$/.exec(header)?.[1]
  if (suffix !== undefined && sizeBytes > 0 && Number(suffix) >= sizeBytes) {
    return { start: 0, end: sizeBytes - 1 }
  }
  const ranges = parseRange(sizeBytes, header, { combine: true })
  if (ranges === -1) return 'unsatisfiable'
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null
  return ranges[0] ?? null
}
