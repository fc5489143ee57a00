import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import contentDisposition from 'content-disposition'
import type { Context } from 'hono'
import parseRange from 'range-parser'
import { isSystemError } from '../../shared/errors.ts'
import type { Job } from '../job.ts'
import type { OpenSource } from '../sources.ts'
import type { Env } from './http.ts'

const CHUNK_BYTES = 1024 * 1024

interface Range {
  start: number
  end: number
}

/**
 * Streams a source, or the range of it that was asked for (RFC 9110, section 14), with its digest where known (RFC 9530).
 * Several ranges at once are answered with the whole, which the RFC allows.
 */
export async function sendSource(c: Context<Env>, job: Job, source: OpenSource): Promise<Response> {
  const { file, sizeBytes, etag } = source
  const { outgoing } = c.env
  const { sha256, filename } = job.source
  outgoing.setHeader('accept-ranges', 'bytes')
  outgoing.setHeader('etag', etag)
  outgoing.setHeader('content-type', 'application/octet-stream')
  outgoing.setHeader('content-disposition', contentDisposition(filename))
  if (sha256 !== null) {
    outgoing.setHeader('repr-digest', `sha-256=:${Buffer.from(sha256, 'hex').toString('base64')}:`)
  }
  const range = rangeOf(c, sizeBytes, etag)
  if (range === 'unsatisfiable') {
    outgoing.writeHead(416, { 'content-range': `bytes */${sizeBytes}`, 'content-length': 0 }).end()
    await file.close()
    return RESPONSE_ALREADY_SENT
  }
  const { start, end } = range ?? { start: 0, end: sizeBytes - 1 }
  if (range !== null) outgoing.setHeader('content-range', `bytes ${start}-${end}/${sizeBytes}`)
  outgoing.writeHead(range === null ? 200 : 206, { 'content-length': end - start + 1 })
  if (end < start) {
    outgoing.end()
    await file.close()
    return RESPONSE_ALREADY_SENT
  }
  try {
    await pipeline(file.createReadStream({ start, end, highWaterMark: CHUNK_BYTES }), outgoing)
  } catch (error) {
    // A caller that went away is nobody's failure; it comes back with a range.
    if (!isSystemError(error, 'ERR_STREAM_PREMATURE_CLOSE', 'ECONNRESET', 'EPIPE')) throw error
  }
  return RESPONSE_ALREADY_SENT
}

function rangeOf(c: Context, sizeBytes: number, etag: string): Range | 'unsatisfiable' | null {
  const header = c.req.header('range')
  const condition = c.req.header('if-range')
  if (header === undefined || (condition !== undefined && condition !== etag)) return null
  const ranges = parseRange(sizeBytes, header, { combine: true })
  if (ranges === -1) return 'unsatisfiable'
  if (ranges === -2 || ranges.type !== 'bytes' || ranges.length !== 1) return null
  return ranges[0] ?? null
}
