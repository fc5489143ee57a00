import { writeJson } from '../../shared/exact-json.ts'
import type { HttpBindings } from '@hono/node-server'
import type { Context } from 'hono'
import type { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import { toWire, type FromWire } from '../../shared/keys.ts'
import { parseJson, parseWire } from '../../shared/parse-wire.ts'
import type { Principal } from '../access/principal.ts'
import type { BodyRoom } from '../access/body-room.ts'
import type { Submission } from '../intake.ts'
import { wholeBody } from '../blobs/body-file.ts'
import type { FormSource } from '../blobs/upload.ts'

/** Bindings: Node's request and response, for streams. Variables: the caller, set by the gate; room for bodies in memory. */
export type Env = { Bindings: HttpBindings; Variables: { principal: Principal; room: BodyRoom } }

const MIB = 1024 * 1024
const JSON_MIB = 1
const UTF_8 = new TextDecoder()

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
  const text = UTF_8.decode(await bytesOf(c, JSON_MIB))
  return text.trim() === '' ? {} : parseJson(text)
}

/**
 * A request's body. Its bytes count until the answer is out: what is parsed from it is larger still.
 * @throws {AppError} `too_large`; `unavailable` while too much is read at once; `bad_request`.
 */
export async function bytesOf(c: Context<Env>, mebibytes: number): Promise<Buffer<ArrayBuffer>> {
  const { incoming, outgoing } = c.env
  const held = c.get('room').hold(c.get('principal'))
  if (outgoing.closed) throw new AppError('bad_request', 'The client disconnected.')
  outgoing.once('close', () => held.release())
  return await wholeBody(incoming, mebibytes * MIB, (bytes) => held.add(bytes))
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
  const { tokenId: submittedBy, quota } = c.get('principal')
  return { submittedBy, idempotencyKey, quota }
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
