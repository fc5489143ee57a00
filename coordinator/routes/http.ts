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
import { chunksOf } from '../blobs/request-chunks.ts'
import type { FormSource } from '../blobs/upload.ts'

/**
 * The request and answer of Node are at hand for what must stream; who asks was found out before any route, and for what
 * is read into memory there is room.
 */
export type Env = { Bindings: HttpBindings; Variables: { principal: Principal; room: BodyRoom } }

const MIB = 1024 * 1024
/** Most of what a JSON body may be; a route that takes more says so. */
const JSON_MIB = 1

/**
 * A request's JSON body in the code's shape.
 * @param mebibytes the most it may be.
 * @throws {AppError} `too_large`; `unavailable` while too much is read at once; `invalid` with every problem.
 */
export async function bodyOf<S extends z.ZodType>(
  c: Context<Env>,
  schema: S,
  mebibytes: number = JSON_MIB,
): Promise<FromWire<z.output<S>>> {
  return parseWire(schema, parseJson(await textOf(c, mebibytes)), 'body')
}

/** Like {@link bodyOf}, for a body that may be left out. */
export async function optionalBodyOf<S extends z.ZodType>(
  c: Context<Env>,
  schema: S,
): Promise<FromWire<z.output<S>>> {
  const text = await textOf(c, JSON_MIB)
  return parseWire(schema, text.trim() === '' ? {} : parseJson(text), 'body')
}

async function textOf(c: Context<Env>, mebibytes: number): Promise<string> {
  return new TextDecoder().decode(await bytesOf(c, mebibytes))
}

/**
 * A request's body. What is read counts until its answer is out: what is made of it is larger still.
 * @throws {AppError} `too_large`; `unavailable` while too much is read at once; `bad_request`.
 */
export async function bytesOf(c: Context<Env>, mebibytes: number): Promise<Buffer<ArrayBuffer>> {
  const { incoming, outgoing } = c.env
  const held = c.var.room.hold(c.var.principal)
  if (outgoing.closed) throw new AppError('bad_request', 'The caller went away.')
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
    // The request stays open: an answer has to go back through its socket.
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

/** Whose a new job is to be. */
export function submissionOf(c: Context<Env>): Submission {
  const idempotencyKey = c.req.header('idempotency-key')?.trim() || null
  return { submittedBy: c.var.principal.tokenId, idempotencyKey }
}

/** A request's multipart form, not yet read. */
export function formOf(c: Context<Env>): FormSource {
  const { incoming } = c.env
  return { headers: incoming.headers, body: incoming }
}

/** An answer in the wire's shape. */
export function answer(c: Context, value: unknown): Response {
  return c.body(writeJson(toWire(value)), 200, { 'content-type': 'application/json' })
}

/** Aborted when the caller goes away before it has its answer. */
export function callerGone(c: Context<Env>): AbortSignal {
  const controller = new AbortController()
  const { outgoing } = c.env
  const look = (): void => {
    if (!outgoing.writableFinished) controller.abort(new Error('The caller went away.'))
  }
  // It may have gone while its request was being read.
  if (outgoing.closed || outgoing.destroyed) look()
  else outgoing.once('close', look)
  return controller.signal
}
