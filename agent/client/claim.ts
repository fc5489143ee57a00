import type { ClaimAnswer, ClaimRequest, Client } from './client.ts'
import { backoffMs, isTransient, pause } from './retry.ts'
import { timeoutSignal } from '../../shared/timers.ts'

export interface ClaimOptions {
  /** Aborted when the answer is no longer waited for. */
  signal: AbortSignal
  /** Tries after the first; may be Infinity. */
  retries: number
  /** Told of each try that failed. */
  onFailure: (error: unknown) => void
  retryMinMs?: number
}

/** How long it may take to find out whether a dropped claim had an answer. */
const UNSEEN_MS = 2_000

/**
 * Asks for work, and loses none: an answer may have been on its way when the request was dropped, or was another's when
 * it came. Asking once more tells, and spares those jobs their lease.
 * @returns null when there was no answer.
 * @throws {Refusal} when the coordinator says no.
 */
export async function claim(
  client: Client,
  request: ClaimRequest,
  { signal, retries, onFailure, retryMinMs = 500 }: ClaimOptions,
): Promise<ClaimAnswer | null> {
  for (let failures = 1; ; failures += 1) {
    try {
      return await client.claim(request, { signal, retries, onRetry: onFailure })
    } catch (error) {
      if (signal.aborted) return await askAgain(client, request)
      if (!isTransient(error)) throw error
      onFailure(error)
    }
    if (failures > retries) return null
    // Only an answer that was none of the coordinator's comes here with tries left.
    const wait = backoffMs(failures, retryMinMs, 30_000, Math.random())
    await pause(wait, signal).catch(() => undefined)
    if (signal.aborted) return await askAgain(client, request)
  }
}

/** Best effort: a coordinator that is away takes its jobs back by itself. */
async function askAgain(client: Client, request: ClaimRequest): Promise<ClaimAnswer | null> {
  const options = { signal: timeoutSignal(UNSEEN_MS), retries: 0 }
  return await client.claim({ ...request, waitSeconds: 0 }, options).catch(() => null)
}
