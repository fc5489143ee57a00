/** Waits that double from `minMs` to `maxMs`; half of each is random. */
export interface Backoff {
  minMs: number
  maxMs: number
}

/** The wait after failure number `failures`, from 1. */
export function backoffMs(
  failures: number,
  { minMs, maxMs }: Backoff,
  random: number = Math.random(),
): number {
  const backoff = Math.min(maxMs, minMs * 2 ** Math.min(30, failures - 1))
  return backoff / 2 + (random * backoff) / 2
}

/** A quota that lasts longer is another day's: it is not waited for. */
export const MOST_QUOTA_WAIT_SECONDS = 60

/** The default cap of `Retry-After`. */
export const MAX_RETRY_AFTER_SECONDS = 300

/** Of a `Retry-After` header: a number, or a date relative to `nowMs`. */
export function retryAfterSeconds(
  header: string | string[] | undefined,
  nowMs: number,
  mostSeconds: number = MAX_RETRY_AFTER_SECONDS,
): number | undefined {
  const text = [header].flat()[0]?.trim()
  if (text === undefined) return undefined
  const seconds = /^\d+(\.\d+)?$/.test(text) ? Number(text) : (Date.parse(text) - nowMs) / 1000
  if (Number.isNaN(seconds)) return undefined
  return Math.min(mostSeconds, Math.max(0, seconds))
}
