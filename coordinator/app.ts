import { Hono } from 'hono'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { AppError, isDiskFull, isSystemError, statusOf } from '../shared/errors.ts'
import { API } from '../shared/wire.ts'
import { gate } from './routes/gate.ts'
import { BodyRoom } from './routes/body-room.ts'
import { LIMITS, type Limits } from './sockets/limits.ts'
import { agentRoutes } from './routes/agents.ts'
import { artifactRoutes } from './routes/artifacts.ts'
import { callbackRoutes } from './routes/callbacks.ts'
import { dashboardRoutes } from './routes/dashboard.ts'
import { docsRoutes, openApiRoutes } from './routes/docs.ts'
import { eventRoutes } from './routes/events.ts'
import type { Env } from './routes/http.ts'
import { metricsRoutes } from './routes/metrics.ts'
import { observeRoutes } from './routes/observe.ts'
import { refuseOtherSpellings } from './routes/own-paths.ts'
import { operatingRoutes } from './routes/operating.ts'
import { originalRoutes } from './routes/original.ts'
import { processRoutes } from './routes/process.ts'
import { readingRoutes } from './routes/reading.ts'
import { sessionRoutes } from './routes/session.ts'
import { sourceRoutes } from './routes/source.ts'
import type { Services } from './services.ts'

/** When a client that met a passing failure should come again. */
const RETRY_AFTER_SECONDS = 5

const METHODS = ['GET', 'POST', 'PUT', 'DELETE']

/** The HTTP side: who may come in, which route serves what, and how every failure is answered. */
export function createApp(services: Services, limits: Limits = LIMITS): Hono<Env> {
  const { log } = services
  const room = new BodyRoom(limits.bodyRoom)
  const app = new Hono<Env>({ strict: false })
  app.use(services.metrics.traffic)
  app.use(refuseOtherSpellings())
  app.use(gate(services))
  app.use(async (c, next) => {
    c.set('room', room)
    await next()
  })
  const open = observeRoutes(services)
  app.route('/', open)
  app.route(API, open)
  const described = openApiRoutes()
  app.route('/', described)
  app.route(API, described)
  app.route('/', docsRoutes())
  app.route('/', dashboardRoutes())
  app.route('/', metricsRoutes(services))
  // Fixed paths before those with an id in their place.
  for (const routes of [
    agentRoutes,
    artifactRoutes,
    originalRoutes,
    operatingRoutes,
    readingRoutes,
    sourceRoutes,
    sessionRoutes,
    eventRoutes,
    metricsRoutes,
    callbackRoutes,
    // Last: what is nobody's of the above may be the MoRAG server's.
    processRoutes,
  ]) {
    app.route(API, routes(services))
  }
  app.notFound((c) => {
    const { method, path } = c.req
    const allowed = methodsOf(app, path)
    if (allowed.length === 0)
      return c.json({ detail: `There is no ${method} ${path}.`, code: 'not_found' }, 404)
    const allow = allowed.join(', ')
    const detail = `${path} takes no ${method}: it takes ${allow}.`
    return c.json({ detail, code: 'method_not_allowed' }, 405, { allow })
  })
  app.onError((thrown, c) => {
    const error = expected(thrown)
    const path = c.req.path
    if (error === null) {
      log.error({ err: thrown, method: c.req.method, path }, 'request failed')
      return c.json({ detail: 'The coordinator failed; its log says why.', code: 'internal' }, 500)
    }
    const status = statusOf(error.code)
    if (status >= 500) log.warn({ method: c.req.method, path, code: error.code }, error.message)
    if (status === 503 || status === 429) {
      c.header('retry-after', String(error.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
    }
    if (status === 401) c.header('www-authenticate', 'Bearer')
    const detail = error.problems ?? error.message
    return c.json({ detail, code: error.code }, status as ContentfulStatusCode)
  })
  return app
}

/** The methods that a path of ours takes; none: there is no such path. */
function methodsOf(app: Hono<Env>, path: string): string[] {
  const takes = (method: string): boolean =>
    app.router.match(method, path)[0].some(([[, route]]) => !route.path.endsWith('/*'))
  return METHODS.filter(takes).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method))
}

/** The failure as one of ours, or null when nobody foresaw it. */
function expected(error: unknown): AppError | null {
  if (error instanceof AppError) return error
  if (isDiskFull(error)) {
    return new AppError('no_space', 'The coordinator has no disk space left.', { cause: error })
  }
  if (isSystemError(error, 'EMFILE', 'ENFILE')) {
    const message =
      'The coordinator has too many files and connections open: raise its limit (LimitNOFILE, ulimit -n).'
    return new AppError('unavailable', message, { cause: error })
  }
  return null
}
