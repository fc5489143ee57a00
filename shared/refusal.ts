import { z } from 'zod'
import { timeOfDay } from './time-of-day.ts'
import { interceptedText, isOfCoordinator } from './coordinator-mark.ts'
import { AppError, isErrorCode, type AppErrorOptions, type ErrorCode } from './errors.ts'
import { MOST_QUOTA_WAIT_SECONDS, retryAfterSeconds } from './backoff.ts'
import { printable } from './printable.ts'
import { errorAnswer } from './wire.ts'
import { tryJson } from './body-text.ts'

/** A coordinator refused. `status` is the HTTP status, `code` the coordinator's own where it gave one. */
export class Refusal extends AppError {
  readonly status: number

  constructor(status: number, code: ErrorCode, message: string, options?: AppErrorOptions) {
    super(code, message, options)
    this.status = status
  }
}

/** A coordinator could not be reached, or the connection broke. */
export class Unreachable extends AppError {
  constructor(message: string, options?: AppErrorOptions) {
    super('unavailable', message, options)
  }
}

/** Something on the way refused, as a proxy or a login page: the coordinator was not reached. */
export class Intercepted extends Unreachable {
  readonly status: number
  /** What answered, in a few words. */
  readonly what: string

  constructor(status: number, what: string, message: string, options?: AppErrorOptions) {
    super(message, options)
    this.status = status
    this.what = what
  }
}

/**
 * A success that no coordinator sends, as the page of a proxy or of a captive portal. The request may have had its effect.
 */
export class UnexpectedAnswer extends AppError {
  constructor(message: string, options?: AppErrorOptions) {
    super('internal', message, options)
  }
}

/** Whether the same request may succeed soon: after 429, 5xx, network errors and answers of others. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Refusal && error.code === 'quota_exceeded')
    return (error.retryAfterSeconds ?? 0) <= MOST_QUOTA_WAIT_SECONDS
  if (error instanceof Refusal) return error.status === 429 || error.status >= 500
  // A proxy's limit on bodies does not pass.
  if (error instanceof Intercepted) return !isTooLarge(error)
  return error instanceof Unreachable || error instanceof UnexpectedAnswer
}

/** Whether the body of a request was too long for the coordinator, or for a proxy before it. */
export function isTooLarge(error: unknown): error is Refusal | Intercepted {
  return (error instanceof Refusal || error instanceof Intercepted) && error.status === 413
}

interface Answer {
  status: number
  /** Names in lower case. */
  headers: Record<string, string | string[] | undefined>
  text: string
}

/** @param isMarking whether the coordinator is known to set its mark. */
interface Context {
  url: string
  keyHint: string
  isMarking: boolean
}

/** The error of an answer that is not a success: the coordinator's, or of something on the way. */
export function refusalOf(
  { status, headers, text }: Answer,
  { url, keyHint, isMarking }: Context,
): Refusal | Intercepted {
  const options = { retryAfterSeconds: retryAfterSeconds(headers['retry-after'], timeOfDay()) }
  const { code, detail } = errorAnswer.safeParse(tryJson(text)).data ?? {}
  if (!isOfCoordinator(headers, code, isMarking)) {
    const what = interceptedText(status, headers, text)
    const message = interceptedMessage(url, status, what, headers['location'])
    return new Intercepted(status, what, message, options)
  }
  const reason = typeof detail === 'string' ? detail : describe(detail ?? `status ${status}`)
  const hint = status === 401 || status === 403 ? ` ${keyHint}` : ''
  const knownCode = isErrorCode(code) ? code : codeOf(status)
  return new Refusal(status, knownCode, `${reason}${hint}`, options)
}

/** Redirects are not followed: the key is sent with every request, and a person decides where to. */
function interceptedMessage(
  url: string,
  status: number,
  what: string,
  location: string | string[] | undefined,
): string {
  const to = printable([location].flat()[0] ?? 'elsewhere', { most: 200 })
  const fix =
    status < 400
      ? `It redirects to ${to}, which is not followed: set --url (MORAG_API_BASE_URL) to where the coordinator is.`
      : status === 413
        ? 'Raise its limit on request bodies (nginx: client_max_body_size).'
        : 'Look at the proxy or firewall before it, or set --url (MORAG_API_BASE_URL).'
  return `Cannot reach the coordinator at ${url}: something else answered ${what}. ${fix}`
}

const BY_STATUS: Record<number, ErrorCode> = {
  401: 'unauthorized',
  403: 'forbidden',
  404: 'not_found',
  408: 'unavailable',
  409: 'conflict',
  413: 'too_large',
  416: 'range_not_satisfiable',
  422: 'invalid',
  429: 'too_many_requests',
  503: 'unavailable',
  507: 'no_space',
}

function codeOf(status: number): ErrorCode {
  return BY_STATUS[status] ?? (status >= 500 ? 'internal' : 'bad_request')
}

/** The problems of a 422 on one line. */
function describe(detail: unknown): string {
  const problem = z.object({ loc: z.array(z.union([z.string(), z.number()])), msg: z.string() })
  const problems = z.array(problem).safeParse(detail)
  if (!problems.success) return JSON.stringify(detail)
  return problems.data.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
}
