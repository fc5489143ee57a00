import { retry } from '../../shared/retry.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import type { ClaimAnswer, ClaimRequest, Client } from './client.ts'
import { isTransient } from '../../shared/refusal.ts'

export interface ClaimOptions {
  /** Aborted when the answer is no longer wanted. */
  signal: AbortSignal
  /** Tries after the first; may be Infinity. */
  retries: number
  onFailure: (error: unknown) => void
}

const LAST_TRY_MS = 2_000

/**
 * Asks for work. An answer may be on its way when the request is dropped: the same claim is then sent once more, so that
 * its jobs need not wait for their leases to expire.
 * @returns null when there was no answer.
 * @throws {Refusal} when the coordinator refuses.
 */
export async function claim(
  client: Client,
  request: ClaimRequest,
  { signal, retries, onFailure }: ClaimOptions,
): Promise<ClaimAnswer | null> {
  const { backoff } = client.connection
  const options = { ...backoff, signal, retries, isTransient, onRetry: onFailure }
  try {
    return await retry(options, () => client.claim(request, { signal, retries: 0 }))
  } catch (error) {
    if (signal.aborted) return await askAgain(client, request)
    if (!isTransient(error)) throw error
    onFailure(error)
    return null
  }
}

/** Best effort: a coordinator that is away takes its jobs back by itself. */
async function askAgain(client: Client, request: ClaimRequest): Promise<ClaimAnswer | null> {
  const options = { signal: timeoutSignal(LAST_TRY_MS), retries: 0 }
  return await client.claim({ ...request, waitSeconds: 0 }, options).catch(() => null)
}
