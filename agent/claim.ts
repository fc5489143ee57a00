import type { ClaimAnswer, ClaimRequest, Client } from './client.ts'
import { isTransient } from './retry.ts'

export interface ClaimOptions {
  /** Aborted when the answer is no longer waited for. */
  signal: AbortSignal
  /** Tries after the first; may be Infinity. */
  retries: number
  /** Told of each try that failed. */
  onFailure: (error: unknown) => void
}

/** How long it may take to find out whether a dropped claim had an answer. */
const UNSEEN_MS = 2_000

/**
 * Asks for work, and loses none: an answer may have been on its way when the request was dropped. Asking once more
 * tells, and spares those jobs their lease.
 * @returns null when there was no answer.
 * @throws {Refusal} when the coordinator says no.
 */
export async function claim(
  client: Client,
  request: ClaimRequest,
  { signal, retries, onFailure }: ClaimOptions,
): Promise<ClaimAnswer | null> {
  try {
    return await client.claim(request, { signal, retries, onRetry: onFailure })
  } catch (error) {
    if (signal.aborted) return await askAgain(client, request)
    if (!isTransient(error)) throw error
    onFailure(error)
    return null
  }
}

/** Best effort: a coordinator that is away takes its jobs back by itself. */
async function askAgain(client: Client, request: ClaimRequest): Promise<ClaimAnswer | null> {
  const options = { signal: AbortSignal.timeout(UNSEEN_MS), retries: 0 }
  return await client.claim({ ...request, waitSeconds: 0 }, options).catch(() => null)
}
