import type { MiddlewareHandler } from 'hono'
import type { RouterRoute } from 'hono/types'
import { AppError } from '../../shared/errors.ts'
import { API } from '../../shared/wire.ts'
import { plainSegments } from '../ingestion/plain-path.ts'
import { describedRoutes } from '../openapi/describe-route.ts'
import type { Env } from './http.ts'

const ROOT = plainSegments(API)
/** What every reader reads alike, with its query. */
const PLAIN = /^(?:\/[a-z0-9_-]+)+\/?(?:\?|$)/

/** First segments of the coordinator's paths below the API's root. */
interface Segments {
  /** With everything below them, as `remote-jobs`. */
  trees: Set<string>
  /** By themselves, as `health`. */
  leaves: Set<string>
  /** Also routes of the MoRAG server, as `status`. */
  shared: Set<string>
}

/** Which paths below the API's root are the coordinator's, and which are left to the MoRAG server behind it. */
export class OwnPaths {
  readonly #routes: () => readonly RouterRoute[]
  #segments: Segments | null = null

  /** @param routes all of the app, asked for once they are registered. */
  constructor(routes: () => readonly RouterRoute[]) {
    this.#routes = routes
  }

  /** Whether a path is never the MoRAG server's to answer. @param path as it is routed. */
  has(path: string): boolean {
    const { trees, leaves } = this.#own()
    const [first = '', ...rest] = path.slice(API.length + 1).split('/')
    return trees.has(first) || (leaves.has(first) && rest.join('') === '')
  }

  /**
   * Refuses other spellings of the coordinator's routes (`//remote-jobs`, `REMOTE-JOBS`, `remote-jobs%2f`,
   * `x/%2e%2e/remote-jobs`, …): no route serves them, and the MoRAG server, or a proxy on the way, may read them as
   * the coordinator's. Must run before anything that looks at a path.
   */
  refuseOtherSpellings(): MiddlewareHandler<Env> {
    return (c, next) => {
      if (PLAIN.test(c.env.incoming.url ?? '/')) return next()
      const { trees, leaves, shared } = this.#own()
      const segments = plainSegments(c.env.incoming.url ?? '/')
      const first = segments[ROOT.length] ?? ''
      const isNamed =
        ROOT.every((segment, at) => segments[at] === segment) &&
        (trees.has(first) ||
          ((leaves.has(first) || shared.has(first)) && segments.length <= ROOT.length + 2))
      const own = `${API}/${first}`
      const isPlain = c.req.path === own || c.req.path.startsWith(`${own}/`)
      if (isNamed && !isPlain) {
        throw new AppError('bad_request', `Unsupported spelling of this path: write it as ${own}.`)
      }
      return next()
    }
  }

  #own(): Segments {
    this.#segments ??= segmentsOf(this.#routes())
    return this.#segments
  }
}

function segmentsOf(routes: readonly RouterRoute[]): Segments {
  const own: Segments = { trees: new Set(), leaves: new Set(), shared: new Set() }
  for (const { path, operation } of describedRoutes(routes)) {
    if (!path.startsWith(`${API}/`)) continue
    const [first = '', ...rest] = path.slice(API.length + 1).split('/')
    const kind = operation.isShared === true ? 'shared' : rest.length > 0 ? 'trees' : 'leaves'
    own[kind].add(first)
  }
  return own
}
