import type { ServerResponse } from 'node:http'
import { pipeline } from 'node:stream/promises'
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import type { Context } from 'hono'
import { AppError, isSystemError } from '../../shared/errors.ts'
import { startInterval } from '../../shared/timers.ts'
import type { OpenFile } from '../blobs/renditions.ts'
import { DISCONNECTED } from './download.ts'
import type { Env } from './http.ts'
import { sendForm } from './send-transcript.ts'

export interface WaitingAnswer {
  mediaType: string
  /** Sent every `everyMs` until the answer is there; null: the form allows nothing before it. */
  filler: { text: string; everyMs: number } | null
  /** Whether it begins at once, as a stream does; otherwise with the first filler. */
  isStream: boolean
  /** @param write sends a part of the answer before its end. */
  make: (write: (text: string) => void) => Promise<string | OpenFile>
  /** What ends an answer that has begun and fails. */
  failure: (error: AppError) => string
}

/**
 * Answers with what takes long to make. Once a byte is sent the status is 200, and a failure is in the body.
 * @throws what `make` throws, while nothing was sent.
 */
export async function sendWaiting(
  c: Context<Env>,
  { mediaType, filler, isStream, make, failure }: WaitingAnswer,
): Promise<Response> {
  const { outgoing } = c.env
  const write = (text: string): void => {
    if (!outgoing.headersSent) begin(outgoing, mediaType)
    outgoing.write(text)
  }
  if (isStream) begin(outgoing, mediaType)
  const timer = filler && startInterval(() => write(filler.text), filler.everyMs)
  try {
    const body = await make(write)
    if (timer !== null) clearInterval(timer)
    if (!outgoing.headersSent) return await sendForm(c, body, mediaType)
    await end(outgoing, body)
  } catch (error) {
    if (!outgoing.headersSent) throw error
    const shown =
      error instanceof AppError ? error : new AppError('internal', 'The coordinator failed.')
    outgoing.end(failure(shown))
    if (shown !== error && !isSystemError(error, ...DISCONNECTED)) throw error
  } finally {
    if (timer !== null) clearInterval(timer)
  }
  return RESPONSE_ALREADY_SENT
}

function begin(outgoing: ServerResponse, mediaType: string): void {
  // nginx passes such an answer on as it comes.
  outgoing.setHeader('x-accel-buffering', 'no')
  outgoing.writeHead(200, { 'content-type': `${mediaType}; charset=utf-8` })
  outgoing.flushHeaders()
}

async function end(outgoing: ServerResponse, body: string | OpenFile): Promise<void> {
  if (typeof body === 'string') {
    outgoing.end(body)
    return
  }
  const stream = body.file.createReadStream()
  try {
    await pipeline(stream, outgoing)
  } finally {
    // As in `sendStream`.
    stream.destroy()
  }
}
