import { SECOND } from '../../shared/duration.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import type { Client } from './client.ts'

/** How long the last word may take. */
const GOODBYE_MS = 2 * SECOND

/** Who ends. */
export interface Leaving {
  client: Pick<Client, 'heartbeat'>
  workerId: string
  version: string
  slots: number
  device: string | null
}

/**
 * Tells a coordinator that this worker ends, so that nobody looks for it. One that is away, or knows no such word, finds
 * out by itself.
 */
export async function sayGoodbye({
  client,
  workerId,
  version,
  slots,
  device,
}: Leaving): Promise<void> {
  const body = { state: 'stopped' as const, version, slots, device, jobs: [] }
  const signal = timeoutSignal(GOODBYE_MS)
  await client.heartbeat(workerId, body, { signal, retries: 0 }).catch(() => undefined)
}
