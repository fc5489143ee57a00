import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import type { Client } from './client.ts'
import type { Parcel } from './parcel.ts'
import { Refusal } from './retry.ts'

/**
 * Sends a parcel, once: its files from `folder`, then the result. A file that the coordinator does not want, or that is
 * gone, is told to `onSkipped`: the text is worth more, and is taken also from an attempt that may send no files any more.
 * @throws what the coordinator answered; {@link Unreachable}; the signal's reason.
 */
export async function deliver(
  client: Pick<Client, 'artifact' | 'result'>,
  { jobId, result, artifacts }: Parcel,
  {
    folder,
    signal,
    onSkipped,
  }: {
    folder: string
    signal: AbortSignal
    onSkipped: (artifact: string, error: unknown) => void
  },
): Promise<void> {
  const once = { signal, retries: 0 }
  const lease = { jobId, leaseToken: result.leaseToken ?? '' }
  for (const artifact of artifacts) {
    await client
      .artifact(lease, artifact, path.join(folder, artifact), once)
      .catch((error: unknown) => {
        if (!isOfTheFile(error)) throw error
        onSkipped(artifact, error)
      })
  }
  await client.result(jobId, result, once)
}

/** Whether the trouble is this file's alone, and the rest of the parcel may fare better. */
function isOfTheFile(error: unknown): boolean {
  return isSystemError(error, 'ENOENT') || isDefinitive(error)
}

/** A no that will stay a no. A wrong key, a busy or a broken coordinator can be put right. */
export function isDefinitive(error: unknown): error is Refusal {
  if (!(error instanceof Refusal)) return false
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status)
}
