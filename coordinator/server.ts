import type { Logger } from 'pino'
import { HOUR, MINUTE, SECOND } from '../shared/duration.ts'
import { createApp } from './app.ts'
import { descriptorWarnings } from './access/open-connections.ts'
import { assemble, type Services } from './assemble.ts'
import { ChoreRunner } from './chores.ts'
import type { Config } from './config.ts'
import { LIMITS, type Limits } from './sockets/limits.ts'
import { listen, type HttpListener } from './sockets/listen.ts'
import { isOld } from './blobs/leftovers.ts'
import { MediaRoots } from './blobs/media-roots.ts'
import { isOpenToOthers } from './storage/private-folder.ts'
import { sumOf } from './job/tally.ts'
import { openStorage } from './open-storage.ts'

/** Of so many completed jobs estimates are made. */
const LEARNT_JOBS = 10_000

/**
 * Starts a coordinator.
 * @throws {AppError} `usage` when its folder, a media root, its certificate or its address cannot be used.
 */
export async function startCoordinator(
  config: Config,
  log: Logger,
  limits: Limits = LIMITS,
  open = openStorage,
) {
  const roots = await MediaRoots.resolve(config.mediaRoots)
  const storage = await open(config, log)
  if (isOpenToOthers(config.dataDir))
    log.warn(
      { data_dir: config.dataDir },
      `other users have rights on the data folder; its files are private: chmod 700 ${config.dataDir}`,
    )
  /** What to close, in the order of opening; closed from the last. */
  const closers: (() => unknown)[] = [async () => await storage.close()]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    const services = await assemble(config, log, storage, roots)
    const { access, claims, connections, continuations, events, jobs } = services
    const { files, jobWatch, localWorker, metrics, morag, origins } = services
    const { progressWebhooks, workers } = services
    closers.push(
      async () => await access.close(),
      async () => await workers.close(),
      async () => await files.checkpoints.close(),
      async () => await files.transcripts.close(),
      async () => await morag?.close(),
      async () => await continuations.close(),
    )
    await recover(services)
    const chores = choresOf(services)
    let listener: HttpListener | null = null
    closers.push(async () => {
      // Waiting calls and streams end before their connections are closed.
      const stopped = chores.stop()
      const closed = listener?.close()
      claims.close()
      jobWatch.close()
      origins.close()
      events.close()
      metrics.close()
      progressWebhooks.close()
      await localWorker.close()
      await closed
      await stopped
    })
    listener = await listen(createApp(services, limits), config, { limits, connections, log })
    closers.push(storage.clock?.watch() ?? (() => undefined))
    chores.start()
    workers.shared?.start()
    await continuations.start()
    await localWorker.start()
    const { url } = listener
    const found = sumOf((await jobs.reader.counts()).map(({ counts }) => counts))
    const count = Object.values(found).reduce((a, b) => a + b, 0)
    log.info({ url, data_dir: config.dataDir, jobs: count }, `listening on ${url}`)
    return {
      /** Where it listens, `http://host:port` or `https://…`. */
      url,
      /** For its operator, as sentences. */
      warnings: [
        ...access.warnings(),
        ...descriptorWarnings(config.connections, config.fleet.waiting),
      ],
      /** Resolves with the reason when the lock on the data folder is lost; close the coordinator then. */
      lost: storage.lost,
      /** Finishes open requests, brings the folders up to date and unlocks the data folder. */
      close,
    }
  } catch (error) {
    await close()
    throw error
  }
}

/** Takes up the jobs of an earlier run: to be called before requests come. */
async function recover(services: Services): Promise<void> {
  const { log, storage, jobs, workers, estimates, claims, localWorker } = services
  const running = await jobs.reader.running()
  workers.resume(running)
  claims.resume(running)
  for (const job of await jobs.reader.lastCompleted(LEARNT_JOBS)) estimates.learn(job)
  storage.clock?.onStep((ms) => {
    log.warn({ step_ms: ms }, 'the system clock was set; leases and waits are moved with it')
    workers.clockStepped(ms)
    localWorker.clockStepped(ms)
  })
  storage.clock?.onStandstill((ms) => {
    log.warn({ stood_still_ms: ms }, 'the process stood still; leases and waits are extended')
    workers.stoodStill(ms)
  })
  if (!storage.isShared) await removeOrphans(services)
}

/** Where other coordinators make jobs meanwhile, files that are not old may be about to get theirs. */
async function removeOrphans({ cleanup, log, storage }: Services): Promise<void> {
  const removed = await cleanup.removeOrphans(async (jobId, file) =>
    storage.isShared ? !(await isOld(file)) : storage.keepsFilesOf(jobId),
  )
  if (removed > 0) log.info({ removed }, 'removed files that belonged to no job')
}

function choresOf(services: Services): ChoreRunner {
  const { cleanup, workers, storage, log } = services
  const orphans = { name: 'removal of files without a job', everyMs: 6 * HOUR }
  return new ChoreRunner(
    [
      {
        name: 'end of leases',
        turn: 'leases',
        everyMs: SECOND,
        run: async () => await cleanup.expire(),
      },
      { name: 'end of workers', everyMs: MINUTE, run: async () => workers.prune() },
      {
        name: 'retention',
        turn: 'retention',
        everyMs: MINUTE,
        run: async (signal) => await cleanup.retire(signal),
      },
      ...(storage.isShared ? [{ ...orphans, run: async () => await removeOrphans(services) }] : []),
    ],
    log,
    { mayGoOn: () => storage.isHeld(), peers: storage.peers },
  )
}
