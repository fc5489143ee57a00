import { AppError, type AppErrorOptions, type ErrorCode } from '../../shared/errors.ts'

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

/** Whether the same request may succeed later: after 429, 5xx, network errors and answers of others. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 429 || error.status >= 500
  // A proxy's limit on bodies does not pass.
  if (error instanceof Intercepted) return !isTooLarge(error)
  return error instanceof Unreachable || error instanceof UnexpectedAnswer
}

/** Whether the body of a request was too long for the coordinator, or for a proxy before it. */
export function isTooLarge(error: unknown): error is Refusal | Intercepted {
  return (error instanceof Refusal || error instanceof Intercepted) && error.status === 413
}
