import type { Logger } from 'pino'
import { timeOfDay } from '../shared/time-of-day.ts'
import { MINUTE, SECOND } from '../shared/duration.ts'
import type { AppError } from '../shared/errors.ts'
import { createApp } from './app.ts'
import { assemble } from './assemble.ts'
import type { Config } from './config.ts'
import { LIMITS, type Limits } from './sockets/limits.ts'
import { listen } from './sockets/listen.ts'
import { MediaRoots } from './blobs/media-roots.ts'
import type { Services } from './services.ts'
import { isOpenToOthers } from './storage/private-folder.ts'
import { FileJobStore, notOurs } from './storage/store.ts'
import { Sweep } from './sweep.ts'

export interface Coordinator {
  /** Where it listens, `http://host:port` or `https://…`. */
  url: string
  /** What its operator should know of, as sentences. */
  warnings: readonly string[]
  /** Resolves when the data folder is no longer this coordinator's, with why; then nothing is left but to close it. */
  lost: Promise<AppError>
  /** Answers what is under way, brings the folders up to date and lets go of them. */
  close(): Promise<void>
}

/** The journal is emptied when it is longer than this. */
export const JOURNAL_BYTES = 64 * 1024 * 1024

/**
 * Starts a coordinator.
 * @throws {AppError} `usage` when its folder, a media root, its certificate or its address cannot be used.
 */
export async function startCoordinator(
  config: Config,
  log: Logger,
  limits: Limits = LIMITS,
): Promise<Coordinator> {
  const roots = await MediaRoots.resolve(config.mediaRoots)
  const store = await FileJobStore.open({
    dir: config.dataDir,
    now: timeOfDay,
    journalBytes: JOURNAL_BYTES,
    onError: (message, error) => log.error({ err: error ?? undefined }, message),
  })
  if (isOpenToOthers(config.dataDir))
    log.warn(
      { data_dir: config.dataDir },
      `others than its owner have rights on the data folder, what is in it is closed to them: chmod 700 ${config.dataDir}`,
    )
  try {
    const services = await assemble(config, log, store, roots)
    const app = createApp(services, limits)
    const listening = await listen(app, config, { limits, connections: services.connections, log })
    const { url } = listening
    const { lost, isHeld } = holdOf(store, config.dataDir)
    const sweep = sweepOf(services, isHeld)
    const stopClock = services.clock.watch()
    sweep.start()
    services.continuations.start()
    services.localWorker.start()
    log.info({ url, data_dir: config.dataDir, jobs: store.size }, `listening on ${url}`)
    return {
      url,
      warnings: services.access.warnings(),
      lost,
      async close() {
        stopClock()
        const swept = sweep.stop()
        const closed = listening.close()
        services.claims.close()
        services.events.close()
        services.metrics.close()
        services.progressWebhooks.close()
        await services.localWorker.close()
        await closed
        await swept
        await services.continuations.close()
        await services.morag?.close()
        await services.files.transcripts.close()
        await services.files.checkpoints.close()
        await services.access.close()
        await store.close()
      },
    }
  } catch (error) {
    await store.close()
    throw error
  }
}

/** Looks after our hold on the data folder: `lost` resolves, once the store has let go, when `isHeld` finds it gone. */
function holdOf(
  store: FileJobStore,
  dataDir: string,
): { lost: Promise<AppError>; isHeld: () => boolean } {
  let tell: (reason: AppError) => void
  const lost = new Promise<AppError>((resolve) => (tell = resolve))
  const isHeld = (): boolean => {
    if (store.isOurs) return true
    const reason = notOurs(dataDir)
    store.abandon(reason)
    tell(reason)
    return false
  }
  return { lost, isHeld }
}

function sweepOf({ upkeep, workers, log }: Services, mayGoOn: () => boolean): Sweep {
  return new Sweep(
    [
      { name: 'end of leases', everyMs: SECOND, run: async () => await upkeep.expire() },
      { name: 'end of workers', everyMs: MINUTE, run: async () => workers.prune() },
      { name: 'retention', everyMs: MINUTE, run: async (signal) => await upkeep.retire(signal) },
    ],
    log,
    { mayGoOn },
  )
}
