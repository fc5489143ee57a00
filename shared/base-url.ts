import { AppError } from './errors.ts'

/** An address of http or https; null: another text. */
export function httpUrl(text: string): URL | null {
  const url = URL.canParse(text) ? new URL(text) : null
  return url !== null && /^https?:$/.test(url.protocol) ? url : null
}

interface Expected {
  /** Ends the sentence `'…' is not …`. */
  what: string
  /** Where the server's key goes, in place of a password in its address. */
  key: string
  /** A query is an error; default: it is left out. */
  isBare?: true
}

/**
 * A server's address, without a trailing slash and without the API's root `/api/v1`.
 * @throws {AppError} `usage`
 */
export function baseUrl(text: string, { what, key, isBare }: Expected): string {
  const url = httpUrl(text)
  if (url === null || (isBare && (url.search !== '' || url.hash !== '')))
    throw new AppError('usage', `'${text}' is not ${what}.`)
  if (url.username === '' && url.password === '')
    return `${url.origin}${url.pathname}`.replace(/\/+$/, '').replace(/\/api\/v1$/, '')
  const message = `Take the name and password out of the URL of ${url.host}: its key goes into ${key}.`
  throw new AppError('usage', message)
}

export function coordinatorUrl(text: string): string {
  const what = `a coordinator's URL (--url, MORAG_API_BASE_URL): write it like http://127.0.0.1:8000`
  return baseUrl(text, { what, key: '--api-key-file or MORAG_API_KEY' })
}
