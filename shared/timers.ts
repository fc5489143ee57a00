import { setTimeout as sleep } from 'node:timers/promises'
import { HOUR, SECOND } from './duration.ts'

/** The limit of a timer in Node, about 25 days: a longer one fires after 1 ms. */
const MAX_TIMER_MS = 2 ** 31 - 1

function timerMs(ms: number): number {
  return ms > 0 ? Math.min(MAX_TIMER_MS, Math.ceil(ms)) : 0
}

/** `setTimeout` for at most {@link MAX_TIMER_MS}: check the time when it fires. */
export function startTimer(run: () => void, ms: number): NodeJS.Timeout {
  return setTimeout(run, timerMs(ms))
}

/** `setInterval` with the same bound. */
export function startInterval(run: () => void, ms: number): NodeJS.Timeout {
  return setInterval(run, timerMs(ms))
}

/** Waits, at most {@link MAX_TIMER_MS}. @throws an AbortError when the signal is aborted. */
export async function delay(
  ms: number,
  options: { signal?: AbortSignal; ref?: boolean } = {},
): Promise<void> {
  await sleep(timerMs(ms), undefined, options)
}

/** {@link delay} that ends early by throwing the signal's own reason. */
export async function pause(ms: number, signal: AbortSignal): Promise<void> {
  try {
    await delay(ms, { signal })
  } catch (error) {
    signal.throwIfAborted()
    throw error
  }
}

/** {@link delay} that ends early, without an error, when the signal is aborted. */
export async function waitFor(ms: number, signal: AbortSignal): Promise<void> {
  await delay(ms, { signal }).catch(() => undefined)
}

/** `AbortSignal.timeout` with the same bound. */
export function timeoutSignal(ms: number): AbortSignal {
  return AbortSignal.timeout(timerMs(ms))
}

/** An interval that the other side asks for, in milliseconds: from `leastMs` to an hour. */
export function dictatedMs(seconds: number, leastMs: number = SECOND): number {
  return Math.min(HOUR, Math.max(leastMs, seconds * SECOND))
}
