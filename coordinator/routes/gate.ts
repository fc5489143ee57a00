import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { AppError } from '../../shared/errors.ts'
import type { Env } from './http.ts'
import type { Services } from '../assemble.ts'
import type { BodyRoom } from '../access/body-room.ts'
import { ANONYMOUS } from '../access/principal.ts'
import { allows, ROLES, type Access } from '../access/roles.ts'
import { refuseForeign, sessionToken } from '../access/session.ts'
import { accessOf } from '../openapi/describe-route.ts'

/**
 * Stands before every route: identifies the caller and refuses a route that its role may not use. Handlers find the
 * caller as `principal`, and the room for bodies.
 */
export function gate(
  {
    access,
    connections,
    trustedProxies,
  }: Pick<Services, 'access' | 'connections' | 'trustedProxies'>,
  room: BodyRoom,
): MiddlewareHandler<Env> {
  // Without frames of their own, which waiting calls would keep.
  return (c, next) => {
    c.set('room', room)
    const allowed = accessFor(c)
    keepFromCaches(c, allowed)
    const token = tokenIn(c)
    if (token === null) refuseForeign(c, allowed.length === 1 && allowed[0] === 'worker')
    if (allowed === 'open') c.set('principal', ANONYMOUS)
    else {
      const { incoming } = c.env
      const address = trustedProxies.clientOf(incoming)
      const asked = incoming.headers.host ?? null
      const given = token ?? sessionToken(c) ?? passwordIn(c)
      const principal = access.identify(given, address, asked)
      connections.vouch(incoming.socket)
      if (!allows(allowed, principal.role)) throw forbidden(allowed)
      c.set('principal', principal)
      access.answers.add(principal, c.env.outgoing)
    }
    return next()
  }
}

/**
 * Answers that need a key are not cached, by a proxy or by a browser that somebody else uses after a sign-out; nosniff
 * keeps uploads from being rendered as pages. Set on Node's response, so that streamed answers have the headers too.
 */
function keepFromCaches(c: Context<Env>, allowed: Access): void {
  const { outgoing } = c.env
  outgoing.setHeader('x-content-type-options', 'nosniff')
  if (allowed !== 'open' || c.req.method !== 'GET') outgoing.setHeader('cache-control', 'no-store')
}

/** Any token may learn that a route does not exist. */
const NO_ROUTE: Access = ROLES

/** Who may use the route that answers: the first that matches and is not middleware of the whole app. */
function accessFor(c: Context<Env>): Access {
  const route = matchedRoutes(c).find(({ method, path }) => !(method === 'ALL' && path === '/*'))
  return route === undefined ? NO_ROUTE : accessOf(route)
}

function tokenIn(c: Context<Env>): string | null {
  const { authorization = '', 'x-api-key': key } = c.env.incoming.headers
  const bearer = /^Bearer +(.+)$/i.exec(authorization)?.[1]
  const given = (bearer ?? key?.toString())?.trim()
  return given === undefined || given === '' ? null : given
}

/** Of the address that a client was given: browsers send it to foreign pages' requests, too. */
function passwordIn(c: Context<Env>): string | null {
  const basic = /^Basic +([\w+/=]+)$/i.exec(c.env.incoming.headers.authorization ?? '')?.[1]
  if (basic === undefined) return null
  return /:(.+)$/s.exec(Buffer.from(basic, 'base64').toString())?.[1] ?? null
}

function forbidden(allowed: readonly string[]): AppError {
  const roles = [...allowed, 'admin']
  const last = roles.pop()!
  const needed = roles.length === 0 ? last : `${roles.join(', ')} or ${last}`
  return new AppError('forbidden', `This needs a token with the role ${needed}.`)
}
