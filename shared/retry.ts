import pRetry from 'p-retry'
import { backoffMs, type Backoff } from './backoff.ts'
import { AppError } from './errors.ts'
import { pause } from './timers.ts'

export interface RetryOptions extends Backoff {
  signal: AbortSignal
  /** Failures in a row that are followed by another try; may be Infinity. It may depend on the error. */
  retries: number | ((error: unknown) => number)
  isTransient: (error: unknown) => boolean
  /** Whether the try that failed brought something: failures are counted anew from it. */
  hasAdvanced?: () => boolean | Promise<boolean>
  onRetry?: ((error: unknown, failures: number) => void) | undefined
  wait?: (ms: number, signal: AbortSignal) => Promise<void>
}

/**
 * Tries until it succeeds, fails for good, or has used up its retries. Waits for as long as the other side asked
 * (`retryAfterSeconds`), or longer.
 * @throws the last error, or the signal's reason.
 */
export async function retry<T>(options: RetryOptions, attempt: () => Promise<T>): Promise<T> {
  const { signal, retries, isTransient, hasAdvanced, onRetry, wait = pause } = options
  let failures = 0
  return await pRetry(attempt, {
    signal,
    // What ends the retries, and how long each waits, depends on the error.
    retries: Infinity,
    minTimeout: 0,
    async onFailedAttempt({ error }) {
      signal.throwIfAborted()
      failures = (await hasAdvanced?.()) === true ? 1 : failures + 1
      const most = typeof retries === 'number' ? retries : retries(error)
      if (!isTransient(error) || failures > most) throw error
      onRetry?.(error, failures)
      await wait(retryDelayMs(error, failures, options), signal)
    },
  })
}

/** The wait after failure number `failures` (from 1): at least what the other side asked for. */
export function retryDelayMs(
  error: unknown,
  failures: number,
  backoff: Backoff,
  random: number = Math.random(),
): number {
  return Math.max(askedMs(error), backoffMs(failures, backoff, random))
}

/** The wait that the other side asked for (`Retry-After`); 0: none. */
export function askedMs(error: unknown): number {
  return error instanceof AppError ? (error.retryAfterSeconds ?? 0) * 1000 : 0
}
