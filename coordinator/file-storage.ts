import { readdirSync } from 'node:fs'
import path from 'node:path'
import type { Logger } from 'pino'
import { AppError, messageOf } from '../shared/errors.ts'
import { TokensFile } from './access/tokens-file.ts'
import { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { gaugeFiles } from './metrics/file-gauges.ts'
import type { Storage } from './open-storage.ts'
import { FileJobStore } from './storage/file-job-store.ts'
import { JobTable, notOurs } from './storage/job-table.ts'
import { FileSecrets } from './storage/secrets.ts'
import { FileWorkerBoard } from './storage/worker-board.ts'
import { FileUsage } from './usage/file-usage.ts'

/** The journal is cut beyond this length. */
export const JOURNAL_BYTES = 64 * 1024 * 1024

/** Locks a data folder, and takes up what an earlier run has left in it. @throws {AppError} `usage` */
export async function openFiles(
  { dataDir, policy }: Pick<Config, 'dataDir' | 'policy'>,
  log: Logger,
): Promise<Storage> {
  const clock = new Clock()
  const { now } = clock
  const onError = (message: string, error: unknown): void =>
    log.error({ err: error ?? undefined }, message)
  const table = await JobTable.open({ dir: dataDir, now, journalBytes: JOURNAL_BYTES, onError })
  try {
    for (const { file, reason } of table.quarantined)
      log.warn({ file, reason }, 'quarantined unreadable job file')
    const jobs = new FileJobStore({ table, now, log })
    const usage = await FileUsage.open(table.newest(), now(), { dataDir, onError })
    await jobs.resume(policy)
    clock.onStep((ms) => jobs.terms.step(ms))
    clock.onStandstill((ms) => jobs.terms.extend(ms))
    const workers = FileWorkerBoard.open(
      dataDir,
      (message) => log.warn(message),
      () => table.check(),
    )
    const quarantine = readdirSync(path.join(dataDir, 'quarantine')).join('\n')
    let tell: (reason: AppError) => void
    const lost = new Promise<AppError>((resolve) => (tell = resolve))
    return {
      jobs,
      tokens: new TokensFile(dataDir),
      workers,
      secrets: new FileSecrets(dataDir),
      peers: null,
      usage,
      removing: async (job, remove) => await usage.removing(job, remove),
      health: healthOf(table),
      isShared: false,
      ownDir: dataDir,
      clock,
      keepsFilesOf: (jobId) => quarantine.includes(jobId),
      measure: (registry) => gaugeFiles(registry, table),
      lost,
      isHeld() {
        if (table.isOurs) return true
        const reason = notOurs(dataDir)
        table.abandon(reason)
        tell(reason)
        return false
      },
      async close() {
        jobs.close()
        await usage.close()
        await table.close()
      },
    }
  } catch (error) {
    await table.close()
    if (error instanceof AppError) throw error
    const unfit = `The data folder ${dataDir} cannot be used (${messageOf(error)}): name another with --data-dir.`
    throw new AppError('usage', unfit, { cause: error })
  }
}

function healthOf(table: JobTable): Storage['health'] {
  return {
    get failure() {
      return table.failure
    },
    get detail() {
      return table.failure?.message ?? table.foldersBehind
    },
    database: null,
    quarantined: table.quarantined.length,
  }
}
