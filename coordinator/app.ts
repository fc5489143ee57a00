import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response'
import { Hono, type Context, type MiddlewareHandler } from 'hono'
import type { RouterRoute } from 'hono/types'
import type { ContentfulStatusCode } from 'hono/utils/http-status'
import { AppError, isDiskFull, isSystemError, statusOf } from '../shared/errors.ts'
import { API } from '../shared/wire.ts'
import { gate } from './routes/gate.ts'
import { BodyRoom } from './access/body-room.ts'
import { LIMITS, type Limits } from './sockets/limits.ts'
import { agentRoutes } from './routes/agents.ts'
import { artifactRoutes } from './routes/artifacts.ts'
import { callbackRoutes } from './routes/callbacks.ts'
import { crossOrigin } from './routes/cross-origin.ts'
import { dashboardRoutes } from './routes/dashboard.ts'
import { docsRoutes } from './routes/docs.ts'
import { eventRoutes } from './routes/events.ts'
import { FixedPathsRouter } from './routes/fixed-paths.ts'
import type { Env } from './routes/http.ts'
import { openaiRoutes } from './routes/openai.ts'
import { observeRoutes } from './routes/observe.ts'
import { OwnPaths } from './routes/own-paths.ts'
import { operatingRoutes } from './routes/operating.ts'
import { originalRoutes } from './routes/original.ts'
import { processRoutes } from './routes/process.ts'
import { readingRoutes } from './routes/reading.ts'
import { sessionRoutes } from './routes/session.ts'
import { SpeechJobs } from './routes/speech-jobs.ts'
import { usageRoutes } from './routes/usage.ts'
import { whisperAsrRoutes } from './routes/whisper-asr.ts'
import { openaiError, openaiStatus } from './speech/openai-error.ts'
import type { Services } from './assemble.ts'
import type { StorageHealth } from './open-storage.ts'

/** For clients that meet a temporary failure. */
const RETRY_AFTER_SECONDS = 5

/** Where OpenAI's API is. */
const OPENAI = '/v1'

const METHODS = ['GET', 'POST', 'PUT', 'DELETE']

/** The HTTP API: its gate, its routes, and the answer to every error. */
export function createApp(services: Services, limits: Limits = LIMITS): Hono<Env> {
  const { log } = services
  const app = new Hono<Env>({ strict: false, router: new FixedPathsRouter() })
  const registered = (): readonly RouterRoute[] => app.routes
  const ownPaths = new OwnPaths(registered)
  app.use(
    inOne(
      services.metrics.traffic,
      crossOrigin(services.config.allowOrigins),
      ownPaths.refuseOtherSpellings(),
      gate(services, new BodyRoom(limits.bodyRoom)),
    ),
  )
  const observing = observeRoutes(services, registered)
  app.route(API, observing)
  app.route('/', observing)
  app.route('/', docsRoutes(registered))
  app.route('/', dashboardRoutes())
  if (services.health.database !== null) app.use(whileReachable(services.health))
  const speech = new SpeechJobs(services, limits.fillMs)
  app.route(OPENAI, openaiRoutes(services, speech))
  app.route('/', whisperAsrRoutes(speech))
  // Fixed paths before those with an id in their place.
  for (const routes of [
    agentRoutes,
    artifactRoutes,
    originalRoutes,
    operatingRoutes,
    readingRoutes,
    usageRoutes,
    sessionRoutes,
    eventRoutes,
    callbackRoutes,
  ]) {
    app.route(API, routes(services))
  }
  // Last: it forwards every other path to the MoRAG server.
  app.route(API, processRoutes(services, ownPaths))
  app.notFound((c) => {
    const { method, path } = c.req
    const allowed = methodsOf(app, path)
    if (allowed.length === 0)
      return refusal(c, new AppError('not_found', `There is no ${method} ${path}.`))
    const allow = allowed.join(', ')
    c.header('allow', allow)
    const message = `${path} takes no ${method}: it takes ${allow}.`
    return refusal(c, new AppError('method_not_allowed', message))
  })
  app.onError((thrown, c) => {
    const error = expected(thrown)
    const { method, path } = c.req
    if (error === null) log.error({ err: thrown, method, path }, 'request failed')
    else if (statusOf(error.code) >= 500)
      log.warn({ method, path, code: error.code }, error.message)
    const { outgoing } = c.env
    if (outgoing.headersSent) {
      // Its client sees that it is cut; one that is whole stands.
      if (!outgoing.writableEnded) outgoing.destroy()
      return RESPONSE_ALREADY_SENT
    }
    if (error === null) {
      const message = 'Internal error: see the log of the coordinator.'
      return refusal(c, new AppError('internal', message))
    }
    const status = statusOf(error.code)
    if (error.retryAfterSeconds !== undefined || status === 503 || status === 429) {
      c.header('retry-after', String(error.retryAfterSeconds ?? RETRY_AFTER_SECONDS))
    }
    if (status === 401) c.header('www-authenticate', 'Bearer')
    return refusal(c, error)
  })
  return app
}

/** Several handlers as one: each that the router calls costs every request time, and a waiting one memory. */
function inOne(...handlers: readonly MiddlewareHandler<Env>[]): MiddlewareHandler<Env> {
  return (c, next) => {
    const run = (at: number): ReturnType<MiddlewareHandler> =>
      handlers[at]?.(c, () => run(at + 1) as Promise<void>) ?? next()
    return run(0)
  }
}

/** Refuses requests while no job can be read, before their bodies come. */
function whileReachable(health: StorageHealth): MiddlewareHandler<Env> {
  return async (_, next) => {
    if (health.database === 'down' && health.failure !== null) throw health.failure
    await next()
  }
}

/** An error, in the form of the API that was asked. */
function refusal(c: Context, error: AppError): Response {
  const { code, message, problems = message } = error
  return c.req.path.startsWith(`${OPENAI}/`)
    ? c.json(openaiError(error), openaiStatus(code) as ContentfulStatusCode)
    : c.json({ detail: problems, code }, statusOf(code) as ContentfulStatusCode)
}

/** The methods that a path takes; none: there is no such path. */
function methodsOf(app: Hono<Env>, path: string): string[] {
  const takes = (method: string): boolean =>
    app.router.match(method, path)[0].some(([[, route]]) => !route.path.endsWith('/*'))
  return METHODS.filter(takes).flatMap((method) => (method === 'GET' ? ['GET', 'HEAD'] : method))
}

/** Null for an error that is not expected. */
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
