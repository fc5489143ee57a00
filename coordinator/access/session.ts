import type { IncomingHttpHeaders } from 'node:http'
import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { AppError } from '../../shared/errors.ts'
import type { Env } from '../routes/http.ts'

/**
 * The dashboard's session: the token in an HttpOnly cookie, valid for requests of the dashboard's own page. It ends with
 * the browser or with the token.
 */
const COOKIE = 'morag_session'
/** Sent with each request of the page; a foreign page would need a CORS preflight. */
const MARK = 'x-morag-csrf'
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

export function sessionToken(c: Context<Env>): string | null {
  return c.env.incoming.headers.cookie === undefined ? null : getCookie(c, COOKIE) || null
}

/** A `Cookie` header without the session, for another server; null if nothing is left. */
export function withoutSession(cookies: string): string | null {
  const others = cookies
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && pair.split('=')[0]?.trim() !== COOKIE)
  return others.length === 0 ? null : others.join('; ')
}

/** @param isSecure whether the page was served over TLS, here or by a proxy. */
export function beginSession(c: Context, token: string, isSecure: boolean): void {
  setCookie(c, COOKIE, token, { path: '/', httpOnly: true, sameSite: 'Strict', secure: isSecure })
}

export function endSession(c: Context): void {
  deleteCookie(c, COOKIE, { path: '/' })
}

/**
 * CSRF protection, for requests without a token of their own: refuses those that a foreign page makes a browser send.
 * @param isForWorkers whether the route is for workers alone: some of those change state by GET.
 * @throws {AppError} `forbidden`
 */
export function refuseForeign(c: Context<Env>, isForWorkers: boolean): void {
  if (SAFE.has(c.req.method) && !isForWorkers) return
  const { headers } = c.env.incoming
  const isMarked = headers[MARK] === '1'
  const isTrusted = isMarked || sessionToken(c) === null
  if (isTrusted && !isFromElsewhere(headers, isMarked)) return
  throw new AppError(
    'forbidden',
    `This came from another page, or without ${MARK}: 1 from the dashboard's own. A program shows its token in a header.`,
  )
}

/**
 * By `Sec-Fetch-Site` (over TLS and to localhost), else by `Origin` (except with GET). An `<img>` over plain HTTP, or in a
 * browser from before 2020, has neither: it is recognised by headers that every browser sends and no worker does.
 */
function isFromElsewhere(headers: IncomingHttpHeaders, isMarked: boolean): boolean {
  const { origin, host, 'sec-fetch-site': site } = headers
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  if (isMarked) return false
  if (origin === undefined) return isBrowser(headers)
  return !URL.canParse(origin) || new URL(origin).host !== host
}

function isBrowser({
  accept = '',
  referer,
  'user-agent': agent = '',
}: IncomingHttpHeaders): boolean {
  return (
    /^(Mozilla|Opera)\//.test(agent) ||
    referer !== undefined ||
    /^(image|video|audio|text\/html|text\/css)\b/.test(accept)
  )
}
