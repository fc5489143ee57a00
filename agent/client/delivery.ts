import path from 'node:path'
import { isSystemError, messageOf } from '../../shared/errors.ts'
import { toWire } from '../../shared/keys.ts'
import type { ResultRequest } from '../../shared/wire.ts'
import type { Client } from './client.ts'
import type { DeliveryRecord } from './delivery-record.ts'
import { Intercepted, isTooLarge, Refusal } from '../../shared/refusal.ts'

const MB = 1_000_000

/**
 * Sends a delivery, once: its files from `folder`, then the result. A file that is gone, or that the coordinator refuses,
 * is skipped: the result is taken also from an attempt that may send no files any more. For a result that is refused as
 * such (413, 422) a failure is sent, so that the job ends and is not repeated in vain.
 * @throws the coordinator's refusal; {@link Unreachable}; the signal's reason; a definitive {@link Refusal} after the
 * failure was sent.
 */
export async function deliver(
  client: Pick<Client, 'artifact' | 'result'>,
  { jobId, result, artifacts }: DeliveryRecord,
  {
    folder,
    signal,
    onSent,
    onSkipped,
  }: {
    folder: string
    signal: AbortSignal
    onSent?: () => void
    onSkipped: (artifact: string, error: unknown) => void
  },
): Promise<void> {
  const once = { signal, retries: 0, ...(onSent === undefined ? {} : { onSent }) }
  const lease = { jobId, leaseToken: result.leaseToken ?? '' }
  for (const artifact of artifacts) {
    await client
      .artifact(lease, artifact, path.join(folder, artifact), once)
      .catch((error: unknown) => {
        if (!isOfFile(error)) throw error
        onSkipped(artifact, error)
      })
  }
  await client.result(jobId, result, once).catch(async (error: unknown) => {
    const failure = result.success ? failureOf(error, result) : null
    if (failure === null) throw error
    await client.result(jobId, toResult(failure, result), once).catch((again: unknown) => {
      if (!isDefinitive(again)) throw again
    })
    throw failure
  })
}

/** Why the coordinator will never accept this result; null: it may, or the attempt is over. */
function failureOf(error: unknown, result: ResultRequest): Refusal | null {
  if (isTooLarge(error)) {
    const megabytes = Buffer.byteLength(JSON.stringify(toWire(result))) / MB
    const size = `${megabytes.toFixed(1)} MB`
    const message =
      error instanceof Intercepted
        ? `The result has ${size}, which is too large for a proxy before the coordinator (it answered ${error.what}): raise its limit on request bodies (nginx: client_max_body_size) above ${Math.ceil(megabytes) + 1} MB, and retry the job.`
        : `The result has ${size}, which is too large for the coordinator: ${messageOf(error)}`
    return new Refusal(413, 'result_too_large', message)
  }
  if (!(error instanceof Refusal) || error.status !== 422) return null
  return new Refusal(422, 'invalid', `The coordinator rejects the result: ${error.message}`)
}

function toResult(failure: Refusal, { leaseToken, processingTime }: ResultRequest): ResultRequest {
  return {
    success: false,
    errorCode: failure.code,
    errorMessage: failure.message,
    retryable: false,
    leaseToken,
    processingTime,
  }
}

/** Whether only this file is refused, and the rest may be accepted. */
function isOfFile(error: unknown): boolean {
  return isSystemError(error, 'ENOENT') || isDefinitive(error) || isTooLarge(error)
}

/** A refusal that trying again cannot change. A wrong key, a busy or a broken coordinator can be mended. */
export function isDefinitive(error: unknown): error is Refusal {
  if (!(error instanceof Refusal)) return false
  return error.status >= 400 && error.status < 500 && ![401, 403, 408, 429].includes(error.status)
}
