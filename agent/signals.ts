import { AppError, EXIT } from '../shared/errors.ts'
import type { Reporter } from './progress/reporter-kinds.ts'

interface Leaver {
  readonly isBusy: boolean
  drain(): void
  stop(): void
}

/** SIGINT and SIGTERM: the first drains, the second gives jobs back, the third exits. */
export class Signals {
  count = 0
  exitCode: number = EXIT.done
  #workers: readonly Leaver[] | null = null
  readonly #reporter: Reporter
  readonly #early: () => void

  constructor(reporter: Reporter, early: () => void) {
    this.#reporter = reporter
    this.#early = early
    process.on('SIGINT', this.#onSignal)
    process.on('SIGTERM', this.#onSignal)
  }

  handOver(workers: readonly Leaver[]): void {
    this.#workers = workers
    if (this.count > 0) for (const worker of workers) worker.drain()
  }

  close(): void {
    process.off('SIGINT', this.#onSignal)
    process.off('SIGTERM', this.#onSignal)
  }

  readonly #onSignal = (name: NodeJS.Signals): void => {
    this.count += 1
    this.exitCode = name === 'SIGINT' ? EXIT.interrupted : 143
    if (this.count > 2) process.exit(this.exitCode)
    if (this.#workers === null) this.#early()
    else if (this.count === 1) {
      const busy = this.#workers.some(({ isBusy }) => isBusy)
      const hint =
        name === 'SIGINT'
          ? 'Press Ctrl-C again to give them back.'
          : 'A second signal gives them back.'
      this.#reporter.event(
        'info',
        busy ? `Draining: running jobs are finished first. ${hint}` : 'Draining.',
      )
      for (const worker of this.#workers) worker.drain()
    } else {
      this.#reporter.event('info', 'Giving back running jobs.')
      for (const worker of this.#workers) worker.stop()
    }
  }
}

/** Aborted by the first SIGINT or SIGTERM, so that a command can clean up; the second ends the process. */
export function interruptible(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => controller.abort(new AppError('cancelled', 'Interrupted.')))
  }
  return controller.signal
}
