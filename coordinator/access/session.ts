import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { AppError } from '../../shared/errors.ts'

/**
 * The dashboard's session: the token in an HttpOnly cookie, valid for requests of the dashboard's own page. It ends with
 * the browser or with the token.
 */
const COOKIE = 'morag_session'
/** Sent with each request of the page; a foreign page would need a CORS preflight. */
const MARK = 'x-morag-csrf'
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

export function sessionToken(c: Context): string | null {
  return getCookie(c, COOKIE) || null
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
export function refuseForeign(c: Context, isForWorkers: boolean): void {
  if (SAFE.has(c.req.method) && !isForWorkers) return
  const isMarked = c.req.header(MARK) === '1'
  const isTrusted = isMarked || sessionToken(c) === null
  if (isTrusted && !isFromElsewhere(c, isMarked)) return
  throw new AppError(
    'forbidden',
    `This came from another page, or without ${MARK}: 1 from the dashboard's own. A program shows its token in a header.`,
  )
}

/**
 * By `Sec-Fetch-Site` (over TLS and to localhost), else by `Origin` (except with GET). An `<img>` over plain HTTP, or in a
 * browser from before 2020, has neither: it is recognised by headers that every browser sends and no worker does.
 */
function isFromElsewhere(c: Context, isMarked: boolean): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  if (isMarked) return false
  const origin = c.req.header('origin')
  if (origin === undefined) return isBrowser(c)
  return !URL.canParse(origin) || new URL(origin).host !== c.req.header('host')
}

function isBrowser(c: Context): boolean {
  const agent = c.req.header('user-agent') ?? ''
  const accept = c.req.header('accept') ?? ''
  return (
    /^(Mozilla|Opera)\//.test(agent) ||
    c.req.header('referer') !== undefined ||
    /^(image|video|audio|text\/html|text\/css)\b/.test(accept)
  )
}
