import { AppError } from '../shared/errors.ts'

/** Aborted by the first SIGINT or SIGTERM, so that a command can clean up; the second ends the process. */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new AppError('cancelled', 'Interrupted.')))
  }
  return controller.signal
}
