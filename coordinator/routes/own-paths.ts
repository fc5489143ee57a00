import type { MiddlewareHandler } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { API } from '../../shared/wire.ts'
import { plainSegments } from '../ingestion/plain-path.ts'
import type { Env } from './http.ts'

/** Below the API's root: ours with all that is below them. */
const TREES = new Set(['remote-jobs', 'workers', 'ingestion'])
/** Ours alone by themselves. */
const LEAVES = new Set(['health', 'ready', 'session', 'events', 'metrics', 'openapi.json'])
/** Ours for some requests, and the MoRAG server's for others. */
const SHARED = new Set(['process', 'ingest', 'status'])
const ROOT = plainSegments(API)

/** Whether a path is ours alone, never the MoRAG server's to answer. @param path as it is routed. */
export function isOurs(path: string): boolean {
  const [first = '', ...rest] = path.slice(API.length + 1).split('/')
  return TREES.has(first) || (LEAVES.has(first) && rest.join('') === '')
}

/**
 * Refuses other spellings of our routes (`//remote-jobs`, `REMOTE-JOBS`, `remote-jobs%2f`, `x/%2e%2e/remote-jobs`, …):
 * no route of ours serves them, and the MoRAG server, or a proxy on the way, may read them as ours. To stand before all
 * that looks at a path.
 */
export function refuseOtherSpellings(): MiddlewareHandler<Env> {
  return async (c, next) => {
    const segments = plainSegments(c.env.incoming.url ?? '/')
    const first = segments[ROOT.length] ?? ''
    const isNamed =
      ROOT.every((segment, at) => segments[at] === segment) &&
      (TREES.has(first) ||
        ((LEAVES.has(first) || SHARED.has(first)) && segments.length <= ROOT.length + 2))
    const own = `${API}/${first}`
    const isPlain = c.req.path === own || c.req.path.startsWith(`${own}/`)
    if (isNamed && !isPlain) {
      throw new AppError('bad_request', `That is no way to write this path: write it as ${own}.`)
    }
    await next()
  }
}
