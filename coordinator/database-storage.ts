import type { Logger } from 'pino'
import type { AppError } from '../shared/errors.ts'
import { VERSION } from '../shared/version.ts'
import { DatabaseTokens } from './access/database-tokens.ts'
import { refuseStrangers, type Config, type DatabaseConfig } from './config.ts'
import { gaugeDatabase } from './metrics/database-gauges.ts'
import type { Storage } from './open-storage.ts'
import { openDataFolder } from './storage/data-folder.ts'
import { notOurs } from './storage/job-table.ts'
import { openOwnFolder } from './storage/own-folder.ts'
import { DatabaseClock } from './storage/postgres/clock.ts'
import { Database } from './storage/postgres/database.ts'
import { PostgresJobStore } from './storage/postgres/job-store.ts'
import { checkSchema } from './storage/postgres/migrate.ts'
import { PostgresPeers } from './storage/postgres/peers.ts'
import { DatabaseSecrets } from './storage/postgres/secrets.ts'
import { enterCoordinator } from './storage/postgres/running-coordinators.ts'
import { PostgresSignals } from './storage/postgres/signals.ts'
import { NOW } from './storage/postgres/statements.ts'
import { PostgresWorkerBoard } from './storage/postgres/worker-board.ts'
import { DatabaseUsage } from './usage/database-usage.ts'

/** Jobs, tokens and the like in a database, which several coordinators may use. @throws {AppError} `usage`, `unavailable`. */
export async function openDatabase(
  config: Config,
  { address, direct, pool, isShared }: DatabaseConfig,
  log: Logger,
): Promise<Storage> {
  const database = new Database({
    address,
    poolSize: pool,
    onFailure(failure) {
      if (failure === null) log.info('the database is reachable again')
      else log.error({ code: failure.code }, failure.message)
    },
  })
  /** What to close, in the order of opening; closed from the last. */
  const closers: (() => unknown)[] = [async () => await database.close()]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    await checkSchema(database)
    const listening = new Database({ address: direct ?? address, poolSize: 1 })
    closers.push(async () => await listening.close())
    const signals = new PostgresSignals({ database, direct: listening, log })
    closers.push(async () => await signals.close())
    const tokens = await DatabaseTokens.open(database, () => signals.emit({ about: 'tokens' }))
    tokens.watch(signals)
    closers.push(async () => await tokens.close())
    refuseStrangers(config, tokens)
    const secrets = new DatabaseSecrets(database)
    const { dataDir: dir, policy } = config
    const lock = await openDataFolder({ dir, isShared, secrets })
    closers.push(async () => await lock?.release())
    const own = isShared ? await openOwnFolder() : null
    closers.push(async () => await own?.close())
    const clock = new DatabaseClock(async () => (await database.one<{ now: number }>(NOW))!.now)
    await clock.compare()
    closers.push(clock.watch())
    const { now } = clock
    const jobs = new PostgresJobStore({ database, now, policy })
    closers.push(() => jobs.close())
    await jobs.start()
    signals.start()
    closers.push(await enterCoordinator(database, VERSION))
    let tell: (reason: AppError) => void
    const lost = new Promise<AppError>((resolve) => (tell = resolve))
    return {
      jobs,
      tokens,
      workers: new PostgresWorkerBoard(database, signals),
      secrets,
      peers: new PostgresPeers({ database, signals, now, policy }),
      usage: new DatabaseUsage(database),
      removing: async (_, remove) => await remove(),
      health: healthOf(database),
      clock: null,
      isShared,
      ownDir: own?.dir ?? dir,
      keepsFilesOf: () => false,
      measure: (registry) => gaugeDatabase(registry, database, signals),
      lost,
      isHeld() {
        if (lock?.isOurs() !== false) return true
        tell(notOurs(dir))
        return false
      },
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

function healthOf(database: Database): Storage['health'] {
  return {
    get failure() {
      return database.failure
    },
    get detail() {
      return database.failure === null ? null : 'The database cannot be reached.'
    },
    get database() {
      return database.failure === null ? 'up' : 'down'
    },
    quarantined: 0,
  }
}
