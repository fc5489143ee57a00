import { writeJson } from '../../shared/exact-json.ts'
import { Readable } from 'node:stream'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import getRawBody from 'raw-body'
import type { z } from 'zod'
import { AppError, messageOf } from '../../shared/errors.ts'
import { toWire, type FromWire } from '../../shared/keys.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import type { Principal } from '../access/principal.ts'
import type { BodyRoom, HeldBody } from '../access/body-room.ts'
import type { Submission } from '../intake.ts'
import { chunksOf } from '../blobs/body-file.ts'
import type { FormSource } from '../blobs/upload.ts'

/** Bindings: Node's request and response, for streams. Variables: the caller, set by the gate; room for bodies in memory. */
export type Env = { Bindings: HttpBindings; Variables: { principal: Principal; room: BodyRoom } }

const MIB = 1024 * 1024
const JSON_MIB = 1

/**
 * A request's JSON body in the code's shape; an empty one counts as `{}`.
 * @throws {AppError} `too_large`; `unavailable` while too much is read at once; `invalid` with every problem.
 */
export async function bodyOf<S extends z.ZodType>(
  c: Context<Env>,
  schema: S,
): Promise<FromWire<z.output<S>>> {
  return parseWire(schema, await jsonOf(c), 'body')
}

/** A request's JSON body, unchecked. @throws {AppError} as {@link bodyOf}. */
export async function jsonOf(c: Context<Env>): Promise<unknown> {
  const text = new TextDecoder().decode(await bytesOf(c, JSON_MIB))
  return text.trim() === '' ? {} : parseJson(text)
}

/**
 * A request's body. Its bytes count until the answer is out: what is parsed from it is larger still.
 * @throws {AppError} `too_large`; `unavailable` while too much is read at once; `bad_request`.
 */
export async function bytesOf(c: Context<Env>, mebibytes: number): Promise<Buffer<ArrayBuffer>> {
  const { incoming, outgoing } = c.env
  const held = c.var.room.hold(c.var.principal)
  if (outgoing.closed) throw new AppError('bad_request', 'The client disconnected.')
  outgoing.once('close', () => held.release())
  const body = Readable.from(counted(chunksOf(incoming), held), { objectMode: false })
  try {
    const length = incoming.headers['content-length'] ?? null
    return (await getRawBody(body, { length, limit: mebibytes * MIB })) as Buffer<ArrayBuffer>
  } catch (error) {
    if (error instanceof AppError) throw error
    const tooLarge = (error as { type?: string }).type === 'entity.too.large'
    const message = tooLarge
      ? `The request is larger than the ${mebibytes} MiB allowed here.`
      : `The request could not be read: ${messageOf(error)}.`
    throw new AppError(tooLarge ? 'too_large' : 'bad_request', message, { cause: error })
  } finally {
    // Not the request itself: the answer goes back through its socket.
    body.destroy()
  }
}

async function* counted(chunks: AsyncIterable<Buffer>, held: HeldBody): AsyncGenerator<Buffer> {
  for await (const chunk of chunks) {
    held.add(chunk.length)
    yield chunk
  }
}

export function queryOf<S extends z.ZodType>(c: Context, schema: S): FromWire<z.output<S>> {
  return parseWire(schema, c.req.query(), 'query')
}

export const IDEMPOTENCY_HEADER = {
  'Idempotency-Key': {
    description:
      'A request with the same key gets the job of the first one: a retry creates no second job.',
  },
}

export function submissionOf(c: Context<Env>): Submission {
  const idempotencyKey = c.req.header('idempotency-key')?.trim() || null
  return { submittedBy: c.var.principal.tokenId, idempotencyKey }
}

/** A file in a multipart form, as a JSON schema. */
export const FILE_PART = { type: 'string', contentMediaType: 'application/octet-stream' }

export function isForm(c: Context): boolean {
  return c.req.header('content-type')?.toLowerCase().startsWith('multipart/form-data') === true
}

/** A request's multipart form, not yet read. */
export function formOf(c: Context<Env>): FormSource {
  const { incoming } = c.env
  return { headers: incoming.headers, body: incoming }
}

export const LEASE_HEADER = {
  description: 'The `lease_token` of the attempt that the caller works on.',
}

/** An answer in the wire's shape. */
export function answer(c: Context, value: unknown): Response {
  return c.body(writeJson(toWire(value)), 200, { 'content-type': 'application/json' })
}

/** Aborted when the client disconnects before it has its answer. */
export function callerGone(c: Context<Env>): AbortSignal {
  const controller = new AbortController()
  const { outgoing } = c.env
  const onClose = (): void => {
    if (!outgoing.writableFinished) controller.abort(new Error('The client disconnected.'))
  }
  // It may have disconnected while its request was being read.
  if (outgoing.closed || outgoing.destroyed) onClose()
  else outgoing.once('close', onClose)
  return controller.signal
}
