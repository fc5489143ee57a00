import { AppError } from '../../shared/errors.ts'

/** Aborts what an engine runs when it is closed. What is started later has a new signal. */
export class Closing {
  #controller = new AbortController()

  get signal(): AbortSignal {
    return this.#controller.signal
  }

  close(): void {
    this.#controller.abort(new AppError('cancelled', 'The engine was closed.'))
    this.#controller = new AbortController()
  }
}

/** Waits for work that others may wait for too. @throws as the work; the signal's reason when aborted: the work goes on. */
export async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  let stop = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    stop = () => reject(signal.reason as Error)
  })
  signal.addEventListener('abort', stop, { once: true })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', stop)
  }
}
