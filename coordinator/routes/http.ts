import type { HttpBindings } from '@hono/node-server'
import type { Context, MiddlewareHandler } from 'hono'
import { bodyLimit } from 'hono/body-limit'
import type { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import { toWire, type FromWire } from '../../shared/keys.ts'
import { parseWire } from '../../shared/wire.ts'

/** The request and answer of Node are at hand for what must stream. */
export type Env = { Bindings: HttpBindings }

const MIB = 1024 * 1024

/** Refuses a JSON body that is larger, before it is held in memory. */
export function jsonLimit(mebibytes: number): MiddlewareHandler {
  return bodyLimit({
    maxSize: mebibytes * MIB,
    onError: () => {
      throw new AppError(
        'too_large',
        `The request is larger than the ${mebibytes} MiB allowed here.`,
      )
    },
  })
}

/** @throws {AppError} `invalid` when it is not JSON. */
export async function jsonOf(c: Context): Promise<unknown> {
  try {
    return await c.req.json<unknown>()
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error
    const problems = [{ loc: ['body'], msg: 'The body is not JSON.', type: 'json_invalid' }]
    throw new AppError('invalid', 'The body is not JSON.', { problems, cause: error })
  }
}

/** @throws {AppError} `invalid` with every problem. */
export async function bodyOf<S extends z.ZodType>(
  c: Context,
  schema: S,
): Promise<FromWire<z.output<S>>> {
  return parseWire(schema, await jsonOf(c), 'body')
}

/** Like {@link bodyOf}, for a body that may be left out. */
export async function optionalBodyOf<S extends z.ZodType>(
  c: Context,
  schema: S,
): Promise<FromWire<z.output<S>>> {
  const text = await c.req.text()
  return parseWire(schema, text.trim() === '' ? {} : await jsonOf(c), 'body')
}

export function queryOf<S extends z.ZodType>(c: Context, schema: S): FromWire<z.output<S>> {
  return parseWire(schema, c.req.query(), 'query')
}

/** An answer in the wire's shape. */
export function answer(c: Context, value: unknown): Response {
  return c.json(toWire(value) as object)
}

/** Aborted when the caller goes away before it has its answer. */
export function callerGone(c: Context<Env>): AbortSignal {
  const controller = new AbortController()
  const { outgoing } = c.env
  outgoing.once('close', () => {
    if (!outgoing.writableFinished) controller.abort(new Error('The caller went away.'))
  })
  return controller.signal
}
