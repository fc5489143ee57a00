import pRetry from 'p-retry'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { delay } from '../../shared/timers.ts'

/** A coordinator that answered, and said no. `status` is its HTTP status, `code` its own word where it gave one. */
export class Refusal extends AppError {
  readonly status: number

  constructor(
    status: number,
    code: ErrorCode,
    message: string,
    options: { retryAfterSeconds?: number } = {},
  ) {
    super(code, message, options)
    this.name = 'Refusal'
    this.status = status
  }
}

/** A coordinator that could not be reached, or a connection that broke. */
export class Unreachable extends AppError {
  constructor(
    message: string,
    cause: unknown = null,
    options: { retryAfterSeconds?: number } = {},
  ) {
    super('unavailable', message, { cause, ...options })
    this.name = 'Unreachable'
  }
}

/** A refusal of something on the way, as a proxy or a login page: the coordinator was not reached. */
export class Intercepted extends Unreachable {
  readonly status: number
  /** What stood in the way, in a few words. */
  readonly what: string

  constructor(
    status: number,
    what: string,
    message: string,
    options: { retryAfterSeconds?: number } = {},
  ) {
    super(message, null, options)
    this.name = 'Intercepted'
    this.status = status
    this.what = what
  }
}

/**
 * An answer that no coordinator gives, though its status is that of a success: the page of a proxy, or of whoever has
 * taken the network over. What we asked for may have been done.
 */
export class Garbled extends AppError {
  constructor(message: string, cause: unknown = null) {
    super('internal', message, { cause })
    this.name = 'Garbled'
  }
}

/** Whether the same request may succeed later: 429, 5xx, the network, and answers of others. Nothing else. */
export function isTransient(error: unknown): boolean {
  if (error instanceof Refusal) return error.status === 429 || error.status >= 500
  // A proxy's limit on bodies stays.
  if (error instanceof Intercepted) return !isTooLarge(error)
  return error instanceof Unreachable || error instanceof Garbled
}

/** Whether a request had too long a body, for the coordinator or for a proxy before it. */
export function isTooLarge(error: unknown): error is Refusal | Intercepted {
  return (error instanceof Refusal || error instanceof Intercepted) && error.status === 413
}

export interface RetryOptions {
  signal: AbortSignal
  /** Tries after the first; may be Infinity. */
  retries: number
  /** The first wait; it doubles up to {@link maxMs}, and each is multiplied by 1 to 2 at random. */
  minMs: number
  maxMs: number
  onRetry?: ((error: unknown, attempt: number) => void) | undefined
}

/**
 * Runs a request until it succeeds, is refused for good, or has used up its tries. A `Retry-After` is waited for first.
 * @throws the last error, or the signal's reason.
 */
export async function retrying<T>(options: RetryOptions, request: () => Promise<T>): Promise<T> {
  const { signal, retries, minMs, maxMs, onRetry } = options
  return await pRetry(request, {
    signal,
    retries,
    minTimeout: minMs,
    maxTimeout: maxMs,
    randomize: true,
    shouldRetry: ({ error }) => isTransient(error),
    async onFailedAttempt({ error, attemptNumber, retriesLeft }) {
      signal.throwIfAborted()
      if (!isTransient(error) || retriesLeft <= 0) return
      onRetry?.(error, attemptNumber)
      const seconds = error instanceof AppError ? (error.retryAfterSeconds ?? 0) : 0
      if (seconds > 0) await pause(seconds * 1000, signal)
    },
  })
}

/** A wait that ends early by throwing the signal's own reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

/** A wait before try number `attempt` (from 1): doubling, half of it by chance. */
export function backoffMs(attempt: number, minMs: number, maxMs: number, random: number): number {
  const whole = Math.min(maxMs, minMs * 2 ** Math.min(30, attempt - 1))
  return whole / 2 + (random * whole) / 2
}
