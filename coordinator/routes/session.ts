import { Hono } from 'hono'
import { z } from 'zod'
import { AppError } from '../../shared/errors.ts'
import { sessionAnswer } from '../../shared/wire-answers.ts'
import { namedObject } from '../../shared/wire-fields.ts'
import { OPEN_MODE, type Principal } from '../access/principal.ts'
import { beginSession, endSession, sessionToken } from '../access/session.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { answer, bodyOf, type Env } from './http.ts'

const sessionRequest = namedObject('SignIn', { token: z.string().trim().min(1).max(1_000) })

/** Signing in to the dashboard by a cookie: a browser's `EventSource` and its player can send no header. */
export function sessionRoutes({ access, config, trustedProxies }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.get(
    '/session',
    describeRoute({
      id: 'getSession',
      tag: 'Operating',
      access: ['submit', 'read'],
      summary: 'The name and role of the caller',
      answer: sessionAnswer,
    }),
    (c) => {
      const { principal } = c.var
      const signedIn = sessionToken(c) !== null && principal !== OPEN_MODE
      return answer(c, { ...shown(principal), signedIn })
    },
  )

  app.post(
    '/session',
    describeRoute({
      id: 'signIn',
      tag: 'Operating',
      access: 'open',
      summary: 'Sign in to the dashboard',
      description: 'The token goes into a cookie that no script can read.',
      body: { json: sessionRequest },
      answer: sessionAnswer,
      errors: ['unauthorized', 'forbidden', 'too_many_requests'],
    }),
    async (c) => {
      const { token } = await bodyOf(c, sessionRequest)
      const address = trustedProxies.clientOf(c.env.incoming)
      const principal = access.identify(token.trim(), address, c.req.header('host') ?? null)
      const { role } = principal
      if (role === 'worker' || role === 'register') {
        const message = `That token is for a ${role}: the dashboard needs one with the role read, submit or admin.`
        throw new AppError('forbidden', message)
      }
      const forwarded = c.req.header('x-forwarded-proto')?.split(',')[0]?.trim()
      const signedIn = principal !== OPEN_MODE
      if (signedIn) beginSession(c, token.trim(), config.tls !== null || forwarded === 'https')
      return answer(c, { ...shown(principal), signedIn })
    },
  )

  app.delete(
    '/session',
    describeRoute({
      id: 'signOut',
      tag: 'Operating',
      access: 'open',
      summary: 'Sign out of the dashboard',
      answer: namedObject('SessionEnded', { signed_in: z.literal(false) }),
      errors: ['forbidden'],
    }),
    (c) => {
      endSession(c)
      return answer(c, { signedIn: false })
    },
  )

  return app
}

function shown({ name, role }: Principal): Pick<Principal, 'name' | 'role'> {
  return { name, role }
}
