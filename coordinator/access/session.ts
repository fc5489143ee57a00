import type { Context } from 'hono'
import { deleteCookie, getCookie, setCookie } from 'hono/cookie'
import { AppError } from '../../shared/errors.ts'

/**
 * The page's session: the token in a cookie that no script can read, which counts like a token in a header wherever the
 * request is the page's own. It ends with the browser, and at once when the token is revoked.
 */
const COOKIE = 'morag_session'
/** What the page sends with each request: no page from elsewhere can, without asking us first. */
const MARK = 'x-morag-csrf'
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS'])

/** The token of the page's session; null: there is none. */
export function sessionToken(c: Context): string | null {
  return getCookie(c, COOKIE) || null
}

/** A `Cookie` header without the session, which is for nobody else to see; null: nothing is left of it. */
export function withoutSession(cookies: string): string | null {
  const others = cookies
    .split(';')
    .map((pair) => pair.trim())
    .filter((pair) => pair !== '' && pair.split('=')[0]?.trim() !== COOKIE)
  return others.length === 0 ? null : others.join('; ')
}

/** @param isSecure whether the page came over TLS, here or as far as a proxy. */
export function beginSession(c: Context, token: string, isSecure: boolean): void {
  setCookie(c, COOKIE, token, { path: '/', httpOnly: true, sameSite: 'Strict', secure: isSecure })
}

export function endSession(c: Context): void {
  deleteCookie(c, COOKIE, { path: '/' })
}

/**
 * Refuses what a page from elsewhere lets a browser do: with the cookie that the browser adds, or where nobody is asked
 * for a token. Not to be asked of requests that show a token themselves.
 * @param isForWorkers whether the route is for workers alone: some of those change things by GET.
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
 * Browsers say where a request is from in `Sec-Fetch-Site` (over TLS and to their own machine), else in `Origin` (with
 * all but a GET). An `<img>` over plain HTTP, or in a browser of before 2020, has neither: it is known by what every
 * browser sends and no page may change, and no client that does a worker's work has.
 */
function isFromElsewhere(c: Context, isMarked: boolean): boolean {
  const site = c.req.header('sec-fetch-site')
  if (site !== undefined) return site !== 'same-origin' && site !== 'none'
  if (isMarked) return false
  const origin = c.req.header('origin')
  if (origin === undefined) return isBrowser(c)
  return !URL.canParse(origin) || new URL(origin).host !== c.req.header('host')
}

/** Whether a browser sends it, as far as its name, its page's address or what it would like to show tell. */
function isBrowser(c: Context): boolean {
  const agent = c.req.header('user-agent') ?? ''
  const accept = c.req.header('accept') ?? ''
  return (
    /^(Mozilla|Opera)\//.test(agent) ||
    c.req.header('referer') !== undefined ||
    /^(image|video|audio|text\/html|text\/css)\b/.test(accept)
  )
}
