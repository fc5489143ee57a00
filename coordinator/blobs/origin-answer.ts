import { STATUS_CODES } from 'node:http'
import contentDisposition from 'content-disposition'
import { MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { retryAfterSeconds } from '../../shared/backoff.ts'
import { cleanName } from './upload.ts'

/** Of a web server's answer, each once. */
export type Headers = Readonly<Record<string, string | undefined>>

const MAX_URL = 4_000

/** @param base for a redirect. @throws {AppError} `source_missing` for what is no http or https address. */
export function urlIn(text: string, base?: URL): URL {
  const url = text.length <= MAX_URL && URL.canParse(text, base?.href) ? new URL(text, base) : null
  if (url !== null && ['http:', 'https:'].includes(url.protocol)) {
    url.hash = ''
    return url
  }
  const what = base === undefined ? 'That is' : `${base.host} redirects to`
  throw refused(`${what} no http or https address of at most ${MAX_URL} characters.`)
}

export function refused(message: string): AppError {
  return new AppError('source_missing', message)
}

/** The name and password of an address as its server wants them. */
export function authorizationOf({ username, password }: URL): Headers {
  if (username === '' && password === '') return {}
  const login = [username, password].map(decoded).join(':')
  return { authorization: `Basic ${Buffer.from(login).toString('base64')}` }
}

/** An address as people may see it: without name, password and query. */
export function shownUrl(text: string): string {
  const { protocol, host, pathname, search } = new URL(text)
  return `${protocol}//${host}${pathname}${search === '' ? '' : '?…'}`
}

/**
 * What changes with the bytes: a strong ETag, else a Last-Modified that was a minute old when it was sent (RFC 9110, section
 * 8.8.2.2); null: there is none.
 */
export function validatorIn({ etag, date, 'last-modified': modified }: Headers): string | null {
  if (etag !== undefined && /^"[\x21\x23-\x7e]+"$/.test(etag)) return etag
  const age = Date.parse(date ?? '') - Date.parse(modified ?? '')
  return age >= MINUTE ? modified! : null
}

/** Whether an answer is of other bytes than those that had this validator. An answer without one is not. */
export function hasOther(validator: string, headers: Headers): boolean {
  // A proxy on the way may have weakened it.
  const now = validator.startsWith('"')
    ? headers['etag']?.replace(/^W\//, '')
    : headers['last-modified']
  return now !== undefined && now !== validator
}

/** The size of the whole in the answer to a range; null when it is unknown, or the range is another. */
export function totalIn({ 'content-range': header }: Headers, start: number): number | null {
  const found = /^bytes (\d+)-\d+\/(\d+)$/.exec(header ?? '')
  return found === null || Number(found[1]) !== start ? null : Number(found[2])
}

/** The file's name: the server's own, else the address's that ends like a file's. */
export function nameIn({ 'content-disposition': header }: Headers, urls: URL[]): string {
  const names = [dispositionName(header), ...urls.map(lastPart)].map((name) => cleanName(name))
  const named = names.filter((name) => name !== 'source')
  return named.find((name) => /\.\w{1,8}$/.test(name)) ?? named[0] ?? 'source'
}

function dispositionName(header: string | undefined): string | undefined {
  try {
    const name = contentDisposition.parse(header ?? '').parameters['filename']
    return name && utf8In(name)
  } catch {
    return undefined
  }
}

function lastPart({ pathname }: URL): string {
  return decoded(pathname.split('/').at(-1) ?? '')
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}

/** Many servers send UTF-8 where latin1 is meant. */
function utf8In(text: string): string {
  if (/[^\0-\xff]/.test(text)) return text
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(text, 'latin1'))
  } catch {
    return text
  }
}

/**
 * Why an answer is not the file that was asked for.
 * @returns `bad_gateway` where it may pass, else `source_missing`.
 */
export function refusalIn({ host }: URL, status: number, headers: Headers, now: number): AppError {
  const said = `${status}${STATUS_CODES[status] === undefined ? '' : ` ${STATUS_CODES[status]}`}`
  if ([408, 425, 429].includes(status) || status >= 500) {
    const retryAfter = retryAfterSeconds(headers['retry-after'], now)
    const message = `${host} answers ${said}: try again later.`
    return new AppError('bad_gateway', message, { retryAfterSeconds: retryAfter })
  }
  const why =
    status === 404 || status === 410
      ? `has no such file (${said})`
      : [401, 402, 403, 407].includes(status)
        ? `refuses the file (${said}): the link has expired, or needs a name and a password`
        : `does not give the file (${said})`
  return refused(`${host} ${why}.`)
}
