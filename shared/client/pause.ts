import { MoragError } from './error.ts'

/** @throws the signal's reason when it is aborted. */
export async function pause(ms: number, signal?: AbortSignal): Promise<void> {
  signal?.throwIfAborted()
  await new Promise<void>((resolve, reject) => {
    const end = (): void => {
      clearTimeout(timer)
      reject(signal?.reason as Error)
    }
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', end)
      resolve()
    }, ms)
    signal?.addEventListener('abort', end, { once: true })
  })
}

/** Runs with a signal that is aborted with the given one, or after `ms`, with a {@link MoragError}; Infinity: the given one. */
export async function within<T>(
  ms: number,
  signal: AbortSignal | undefined,
  run: (signal: AbortSignal | undefined) => Promise<T>,
): Promise<T> {
  signal?.throwIfAborted()
  if (ms === Infinity) return await run(signal)
  const controller = new AbortController()
  const end = (): void => controller.abort(signal?.reason)
  const late = (): void => {
    const message = `The coordinator has not answered within ${ms / 1000} s.`
    controller.abort(new MoragError('unavailable', message, { retryable: true }))
  }
  signal?.addEventListener('abort', end, { once: true })
  const timer = setTimeout(late, ms)
  try {
    return await run(controller.signal)
  } finally {
    clearTimeout(timer)
    signal?.removeEventListener('abort', end)
  }
}
