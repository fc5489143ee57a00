import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { databaseAddress } from '../../coordinator/storage/postgres/address.ts'
import { Database } from '../../coordinator/storage/postgres/database.ts'
import { migrate } from '../../coordinator/storage/postgres/migrate.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'
import { Asking } from './asking.ts'

const CLOCK = moduleUrl(new URL('clock-step.ts', import.meta.url))

export interface SeveralOptions {
  /** The address of an empty database. */
  url: string
  /** One for each coordinator: how far its clock is ahead, in milliseconds. */
  clocks: readonly number[]
  args?: readonly string[]
  /** The port on which all hear of each other; default: as the rest. */
  listenPort?: number
}

/** Coordinators over one database and one folder. */
export class Several {
  /** In the media root. */
  readonly file: string
  readonly #options: SeveralOptions
  readonly #folder = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  readonly #running: RunningCoordinator[] = []

  private constructor(options: SeveralOptions) {
    this.#options = options
    mkdirSync(path.join(this.#folder, 'media'))
    this.file = path.join(this.#folder, 'media/talk.mp3')
    writeFileSync(this.file, 'the bytes of a talk')
  }

  static async start(options: SeveralOptions): Promise<Several> {
    const several = new Several(options)
    const database = new Database({ address: databaseAddress(options.url) })
    await migrate(database)
    await database.close()
    await Promise.all(options.clocks.map(async (_, n) => await several.start(n)))
    return several
  }

  /** Starts the n-th, again at its port. */
  async start(n: number): Promise<void> {
    const { url, args = [], clocks, listenPort } = this.#options
    const port =
      this.#running[n] === undefined ? [] : ['--port', new URL(this.#running[n].url).port]
    const shared = ['--database-url', url, '--data-shared']
    if (listenPort !== undefined) {
      const direct = new URL(url)
      direct.port = String(listenPort)
      shared.push('--database-direct-url', direct.href)
    }
    this.#running[n] = await startCoordinator(
      path.join(this.#folder, 'data'),
      path.join(this.#folder, 'media'),
      {
        args: [...shared, ...args, ...port],
        env: {
          NODE_OPTIONS: [...LOADER, '--import', CLOCK].join(' '),
          CLOCK_OFFSET_MS: String(clocks[n]),
        },
      },
    )
  }

  running(n: number): RunningCoordinator {
    return this.#running[n]!
  }

  /** Requests to the n-th. */
  at(n: number): Asking {
    return new Asking(this.running(n).url)
  }

  async kill(n: number): Promise<void> {
    this.running(n).signal('SIGKILL')
    await this.running(n).ended
  }

  async close(): Promise<void> {
    await Promise.all(this.#running.map(async (_, n) => await this.kill(n)))
    rmSync(this.#folder, { recursive: true, force: true })
  }
}
