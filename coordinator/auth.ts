import { createHash, timingSafeEqual } from 'node:crypto'
import type { MiddlewareHandler } from 'hono'
import { AppError } from '../shared/errors.ts'

/** Lets a request through that shows the key, as `Authorization: Bearer …` or `X-API-Key: …`; all when there is none. */
export function requireKey(apiKey: string | null): MiddlewareHandler {
  const right = apiKey === null ? null : digest(apiKey)
  return async (c, next) => {
    if (right !== null) {
      const bearer = /^Bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
      const given = bearer ?? c.req.header('x-api-key')
      // Digests are compared: equal lengths, and a time that tells nothing of the key.
      if (given === undefined || !timingSafeEqual(digest(given.trim()), right)) {
        throw new AppError(
          'unauthorized',
          'This coordinator needs an API key: send it as a Bearer token.',
        )
      }
    }
    await next()
  }
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest()
}
