import { readdirSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import { timeOfDay } from '../shared/time-of-day.ts'
import { MINUTE, SECOND } from '../shared/duration.ts'
import type { AppError } from '../shared/errors.ts'
import { createApp } from './app.ts'
import { descriptorWarnings } from './access/open-connections.ts'
import { assemble, type Services } from './assemble.ts'
import { ChoreRunner } from './chores.ts'
import type { Config } from './config.ts'
import { LIMITS, type Limits } from './sockets/limits.ts'
import { listen, type HttpListener } from './sockets/listen.ts'
import { MediaRoots } from './blobs/media-roots.ts'
import { isOpenToOthers } from './storage/private-folder.ts'
import { JobTable, notOurs } from './storage/job-table.ts'

/** The journal is cut beyond this length. */
export const JOURNAL_BYTES = 64 * 1024 * 1024

/**
 * Starts a coordinator.
 * @throws {AppError} `usage` when its folder, a media root, its certificate or its address cannot be used.
 */
export async function startCoordinator(config: Config, log: Logger, limits: Limits = LIMITS) {
  const roots = await MediaRoots.resolve(config.mediaRoots)
  const store = await JobTable.open({
    dir: config.dataDir,
    now: timeOfDay,
    journalBytes: JOURNAL_BYTES,
    onError: (message, error) => log.error({ err: error ?? undefined }, message),
  })
  if (isOpenToOthers(config.dataDir))
    log.warn(
      { data_dir: config.dataDir },
      `other users have rights on the data folder; its files are private: chmod 700 ${config.dataDir}`,
    )
  /** What to close, in the order of opening; closed from the last. */
  const closers: (() => unknown)[] = [async () => await store.close()]
  const close = async (): Promise<void> => {
    for (const closer of closers.splice(0).toReversed()) await closer()
  }
  try {
    const services = await assemble(config, log, store, roots)
    const { access, claims, clock, connections, continuations, events } = services
    const { files, jobStore, jobWatch, localWorker, metrics, morag, origins } = services
    const { progressWebhooks, usage, workers } = services
    closers.push(
      () => jobStore.close(),
      async () => await usage.close(),
      async () => await access.close(),
      async () => await workers.kept().catch(() => undefined),
      async () => await files.checkpoints.close(),
      async () => await files.transcripts.close(),
      async () => await morag?.close(),
      async () => await continuations.close(),
    )
    await recover(services)
    const { lost, isHeld } = holdOf(store, config.dataDir)
    const chores = choresOf(services, isHeld)
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
    closers.push(clock.watch())
    chores.start()
    await continuations.start()
    await localWorker.start()
    const { url } = listener
    log.info({ url, data_dir: config.dataDir, jobs: store.size }, `listening on ${url}`)
    return {
      /** Where it listens, `http://host:port` or `https://…`. */
      url,
      /** For its operator, as sentences. */
      warnings: [
        ...access.warnings(),
        ...descriptorWarnings(config.connections, config.fleet.waiting),
      ],
      /** Resolves with the reason when the lock on the data folder is lost; close the coordinator then. */
      lost,
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
  const { config, log, clock, store, jobs, jobStore, workers, estimates, cleanup } = services
  const { claims, localWorker } = services
  for (const { file, reason } of store.quarantined)
    log.warn({ file, reason }, 'quarantined unreadable job file')
  const running = await jobs.reader.running()
  workers.resume(running)
  claims.resume(running)
  const completed = await jobs.reader.ended(['completed'])
  for (const job of completed.sort((a, b) => a.completedAt - b.completedAt)) estimates.learn(job)
  clock.onStep((ms) => {
    log.warn({ step_ms: ms }, 'the system clock was set; leases and waits are moved with it')
    jobStore.terms.step(ms)
    workers.clockStepped(ms)
    localWorker.clockStepped(ms)
  })
  clock.onStandstill((ms) => {
    log.warn({ stood_still_ms: ms }, 'the process stood still; leases and waits are extended')
    jobStore.terms.extend(ms)
    workers.stoodStill(ms)
  })
  const quarantined = readdirSync(path.join(config.dataDir, 'quarantine')).join('\n')
  const removed = await cleanup.removeOrphans(
    (id) => quarantined.includes(id),
    (id) => store.get(id),
  )
  if (removed > 0) log.info({ removed }, 'removed files that belonged to no job')
}

/** The lock on the data folder: when `isHeld` finds it gone, the store is abandoned and `lost` resolves. */
function holdOf(
  store: JobTable,
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

function choresOf({ cleanup, workers, log }: Services, isHeld: () => boolean): ChoreRunner {
  return new ChoreRunner(
    [
      { name: 'end of leases', everyMs: SECOND, run: async () => await cleanup.expire() },
      { name: 'end of workers', everyMs: MINUTE, run: async () => workers.prune() },
      { name: 'retention', everyMs: MINUTE, run: async (signal) => await cleanup.retire(signal) },
    ],
    log,
    { mayGoOn: isHeld },
  )
}
