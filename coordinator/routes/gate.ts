import type { Context, MiddlewareHandler } from 'hono'
import { matchedRoutes } from 'hono/route'
import { AppError } from '../../shared/errors.ts'
import type { Env } from './http.ts'
import type { Services } from '../services.ts'
import { allows, ruleOf, type Rule } from '../access/permissions.ts'
import { NOBODY } from '../access/principal.ts'
import { ROLES } from '../access/roles.ts'
import { refuseForeign, sessionToken } from '../access/session.ts'

/**
 * Stands before every route: who is it, and may that one use the route that is about to answer? Handlers find the answer
 * in `c.var.principal`.
 */
export function gate({
  access,
  connections,
  trustedProxies,
}: Pick<Services, 'access' | 'connections' | 'trustedProxies'>): MiddlewareHandler<Env> {
  return async (c, next) => {
    const rule = ruleFor(c)
    keepFromCaches(c, rule)
    const shown = shownIn(c)
    if (shown === null) refuseForeign(c, rule.length === 1 && rule[0] === 'worker')
    if (rule === 'open') c.set('principal', NOBODY)
    else {
      const { incoming } = c.env
      const address = trustedProxies.clientOf(incoming)
      const asked = c.req.header('host') ?? null
      const principal = access.identify(shown ?? sessionToken(c), address, asked)
      connections.vouch(incoming.socket)
      if (!allows(rule, principal.role)) throw forbidden(rule)
      c.set('principal', principal)
      access.watch(principal, c.env.outgoing)
    }
    await next()
  }
}

/**
 * What needs a key is for no cache, of a browser that others use after its user has signed out or of a proxy; and what
 * others wrote is taken for no page. Set here, an answer that streams past the routes has it, too.
 */
function keepFromCaches(c: Context<Env>, rule: Rule): void {
  const { outgoing } = c.env
  outgoing.setHeader('x-content-type-options', 'nosniff')
  if (rule !== 'open' || c.req.method !== 'GET') outgoing.setHeader('cache-control', 'no-store')
}

/** That of the first route that matches and is no middleware of all (`app.use('*')`): it is the one that answers. */
function ruleFor(c: Context<Env>): Rule {
  const route = matchedRoutes(c).find(({ method, path }) => !(method === 'ALL' && path === '/*'))
  return route === undefined ? NOWHERE : ruleOf(c.req.method, route.path)
}

/** There is no such route: whoever comes in may be told so. */
const NOWHERE: Rule = ROLES

function shownIn(c: Context<Env>): string | null {
  const bearer = /^Bearer +(.+)$/i.exec(c.req.header('authorization') ?? '')?.[1]
  const given = (bearer ?? c.req.header('x-api-key'))?.trim()
  return given === undefined || given === '' ? null : given
}

function forbidden(rule: readonly string[]): AppError {
  const roles = [...rule, 'admin']
  const last = roles.pop()!
  const needed = roles.length === 0 ? last : `${roles.join(', ')} or ${last}`
  return new AppError('forbidden', `This needs a token with the role ${needed}.`)
}
