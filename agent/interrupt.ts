import { AppError } from '../shared/errors.ts'

/** Aborted by the first Ctrl-C or SIGTERM, so that a command can tidy up; the second is not caught. */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new AppError('cancelled', 'Interrupted.')))
  }
  return controller.signal
}
