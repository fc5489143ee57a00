import { AppError, isSystemError, messageOf } from '../../../shared/errors.ts'

/**
 * What a failed statement says: the connection or the server is `gone`; it is `busy` and later can do it; it was undone for
 * another's sake and may be tried `again`; the disk is `full`; or it is a `fault` of the statement.
 */
export type FailureKind = 'gone' | 'busy' | 'again' | 'full' | 'fault'

const RETRY_AFTER_SECONDS = 5

const KINDS: readonly [RegExp, FailureKind][] = [
  [/^(40001|40P01)$/, 'again'],
  [/^(53100|58030)$/, 'full'],
  // A statement that took too long, a lock, too little memory.
  [/^(57014|55P03|25P03|532..|534..)$/, 'busy'],
  // Also a primary that has become a standby, and one that has no connection left.
  [/^(08...|57P..|53300|25006|28...|3D000)$/, 'gone'],
]
/** What `pg` says without a code. */
const BROKEN =
  /terminated|not queryable|timeout expired|read timeout|closed the connection|does not support SSL/i
/** All connections of the pool are at work. */
const NO_ROOM = 'timeout exceeded when trying to connect'
const NETWORK =
  `ECONNREFUSED ECONNRESET ECONNABORTED ETIMEDOUT EPIPE ENOTFOUND EHOSTUNREACH ENETUNREACH EAI_AGAIN
  EHOSTDOWN ENOENT EADDRNOTAVAIL ERR_TLS_CERT_ALTNAME_INVALID`.split(/\s+/)

export function failureKind(error: unknown): FailureKind {
  if (!(error instanceof Error)) return 'fault'
  if (isSystemError(error, ...NETWORK)) return 'gone'
  const { code } = error as { code?: unknown }
  const known = KINDS.find(([pattern]) => typeof code === 'string' && pattern.test(code))
  if (known !== undefined) return known[1]
  if (error.message === NO_ROOM) return 'busy'
  return BROKEN.test(error.message) || /certificate/i.test(error.message) ? 'gone' : 'fault'
}

/** As its caller hears it. @param label of the database. */
export function databaseError(error: unknown, label: string): unknown {
  if (error instanceof AppError) return error
  const why = reasonOf(error)
  switch (failureKind(error)) {
    case 'fault':
      return error
    case 'full':
      return new AppError('no_space', `The database ${label} has no room left (${why}).`, {
        cause: error,
      })
    case 'gone':
      return unavailable(
        `The database ${label} cannot be reached (${why}): try again later.`,
        error,
      )
    default:
      return unavailable(`The database ${label} is busy (${why}): try again later.`, error)
  }
}

function unavailable(message: string, cause: unknown): AppError {
  return new AppError('unavailable', message, { cause, retryAfterSeconds: RETRY_AFTER_SECONDS })
}

/** Of a host with several addresses: of the first. */
function reasonOf(error: unknown): string {
  return messageOf(error instanceof AggregateError ? error.errors[0] : error)
}
