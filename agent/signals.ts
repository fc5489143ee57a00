import { EXIT } from '../shared/errors.ts'
import type { Reporter } from './reporter-kinds.ts'
import type { Worker } from './worker.ts'

/** What Ctrl-C and a service manager's stop mean: finish; leave; leave now. */
export class Signals {
  count = 0
  exitCode: number = EXIT.done
  #worker: Worker | null = null
  readonly #reporter: Reporter
  readonly #early: () => void

  constructor(reporter: Reporter, early: () => void) {
    this.#reporter = reporter
    this.#early = early
    process.on('SIGINT', this.#hear)
    process.on('SIGTERM', this.#hear)
  }

  handOver(worker: Worker): void {
    this.#worker = worker
    if (this.count > 0) worker.drain()
  }

  close(): void {
    process.off('SIGINT', this.#hear)
    process.off('SIGTERM', this.#hear)
  }

  readonly #hear = (name: NodeJS.Signals): void => {
    this.count += 1
    this.exitCode = name === 'SIGINT' ? EXIT.interrupted : 143
    if (this.count > 2) process.exit(this.exitCode)
    if (this.#worker === null) this.#early()
    else if (this.count === 1) {
      const busy = this.#worker.state === 'running'
      const hint =
        name === 'SIGINT' ? 'Press Ctrl-C again to give it back.' : 'A second signal gives it back.'
      this.#reporter.event(
        'info',
        busy ? `Draining: what runs is finished first. ${hint}` : 'Draining.',
      )
      this.#worker.drain()
    } else {
      this.#reporter.event('info', 'Giving back what runs.')
      this.#worker.stop()
    }
  }
}
