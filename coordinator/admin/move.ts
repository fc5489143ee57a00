import { rm } from 'node:fs/promises'
import path from 'node:path'
import { AppError } from '../../shared/errors.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { DatabaseTokens } from '../access/database-tokens.ts'
import type { TokenStore } from '../access/token-store.ts'
import { TokensFile } from '../access/tokens-file.ts'
import { JOURNAL_BYTES } from '../file-storage.ts'
import type { Job } from '../job/job.ts'
import { ownerIn, ownerOf, setOwner } from '../storage/data-folder.ts'
import { JobTable } from '../storage/job-table.ts'
import type { Signals } from '../storage/peers.ts'
import { makePrivateFolder } from '../storage/private-folder.ts'
import type { Database } from '../storage/postgres/database.ts'
import { DatabaseDump, type UsageRow } from '../storage/postgres/dump.ts'
import { DatabaseSecrets } from '../storage/postgres/secrets.ts'
import { PostgresWorkerBoard } from '../storage/postgres/worker-board.ts'
import { FileSecrets } from '../storage/secrets.ts'
import { FileWorkerBoard, type WorkerBoard } from '../storage/worker-board.ts'
import type { ByToken } from '../usage/days.ts'
import { addToDay } from '../usage/day-file.ts'
import { RemovedJobs } from '../usage/removed-jobs.ts'

export interface MoveOptions {
  dataDir: string
  database: Database
  isDryRun: boolean
  now: () => number
  onWarning: (message: string) => void
}

export interface MoveReport {
  jobs: Record<Status, number>
  tokens: number
  /** Workers that are drained or set aside. */
  workers: number
}

/** No coordinator runs that could be told. */
const SILENT: Signals = { isListening: false, emit: () => undefined, on: () => undefined }
/** The files that a coordinator makes secrets in. */
const SECRETS = ['secret', 'webhook-secret']
/** Removed together: one sync for all. */
const BATCH = 500

/**
 * Moves jobs, tokens, secrets, decisions about workers and usage of a data folder to a database; the files of jobs stay
 * where they are. After a failure it can be repeated.
 * @throws {AppError} `usage` when a coordinator runs, the database has other jobs, or the folder is that of another one.
 */
export async function moveToDatabase(options: MoveOptions): Promise<MoveReport> {
  const { dataDir, database, isDryRun } = options
  const dump = new DatabaseDump(database)
  const secrets = new DatabaseSecrets(database)
  const [found, owner] = await Promise.all([ownerOf(dataDir), ownerIn(secrets)])
  if (found !== null && found !== owner) {
    const message = `The jobs of ${dataDir} are in a database already, and not in ${database.label}.`
    throw new AppError('usage', message)
  }
  await dump.refuseRunning()
  const table = await openTable(options)
  try {
    const jobs = [...table.newest()]
    // From then on the database may have changed them, and made others.
    if (found === null) {
      const other = await dump.otherThan(jobs.map(({ jobId }) => jobId))
      if (other !== null) {
        const message = `The database ${database.label} has jobs that ${dataDir} does not have, like ${other}: name an empty one.`
        throw new AppError('usage', message)
      }
    }
    const [tokens, workers] = [new TokensFile(dataDir), boardOf(options)]
    const decided = await workers.all()
    const report = { jobs: countsOf(jobs), tokens: tokens.get().length, workers: decided.length }
    if (isDryRun) return report
    if (found === null) {
      await dump.addJobs(jobs)
      if ((await dump.size()) !== jobs.length)
        throw new AppError('internal', `The database ${database.label} has not taken all jobs.`)
      const kept = await DatabaseTokens.open(database)
      await copyTokens(tokens, kept)
      await kept.close()
      await copyWorkers(workers, new PostgresWorkerBoard(database, SILENT))
      for (const name of SECRETS) {
        const secret = await new FileSecrets(dataDir).read(name)
        if (secret !== null) await dump.putSecret(name, secret)
      }
      await dump.putUsage(await usageOf(options, table))
      await setOwner(dataDir, secrets)
    }
    await removeAll(table, jobs)
    return report
  } finally {
    await table.close()
  }
}

/**
 * The way back. The database is empty then.
 * @throws {AppError} `usage` when a coordinator runs, or the folder is not that of the database.
 */
export async function moveToFiles(options: MoveOptions): Promise<MoveReport> {
  const { dataDir, database, isDryRun } = options
  const dump = new DatabaseDump(database)
  const owner = await ownerIn(new DatabaseSecrets(database))
  if (owner === null || (await ownerOf(dataDir)) !== owner) {
    const message = `The files in ${dataDir} are not those of the jobs of the database ${database.label}: name the --data-dir that its coordinators have.`
    throw new AppError('usage', message)
  }
  await dump.refuseRunning()
  const kept = await DatabaseTokens.open(database)
  const workers = new PostgresWorkerBoard(database, SILENT)
  try {
    const jobs = countsOf([])
    const decided = await workers.all()
    const report = { jobs, tokens: kept.get().length, workers: decided.length }
    const count = (page: readonly Job[]): void => {
      for (const { status } of page) jobs[status] += 1
    }
    if (isDryRun) {
      for await (const page of dump.jobs()) count(page)
      return report
    }
    const table = await openTable(options)
    try {
      // What a move that was cut short has left.
      await removeAll(table, [...table.newest()])
      for await (const page of dump.jobs()) {
        await Promise.all(page.map(async (job) => await table.put(job)))
        count(page)
      }
    } finally {
      await table.close()
    }
    await copyTokens(kept, new TokensFile(dataDir))
    await copyWorkers(workers, boardOf(options))
    for (const { name, value } of await dump.secrets())
      if (SECRETS.includes(name)) await new FileSecrets(dataDir).keep(name, value)
    await writeUsage(dataDir, await dump.usage())
    await setOwner(dataDir, null)
    await dump.empty()
    return report
  } finally {
    await kept.close()
  }
}

export function moveText({ jobs, tokens, workers }: MoveReport, isDryRun: boolean): string {
  const lines = [
    isDryRun ? 'would be moved:' : 'moved:',
    ...STATUSES.map((status) => `  ${status.padEnd(10)} ${jobs[status]}`),
    `  ${'tokens'.padEnd(10)} ${tokens}`,
    ...(workers > 0 ? [`  ${'drained or set aside'.padEnd(10)} ${workers}`] : []),
  ]
  return `${lines.join('\n')}\n`
}

async function openTable({ dataDir, now, onWarning }: MoveOptions): Promise<JobTable> {
  const onError = (message: string): void => onWarning(message)
  const options = { dir: dataDir, now, journalBytes: JOURNAL_BYTES, onError, isMoved: true }
  const table = await JobTable.open(options)
  for (const { file, reason } of table.quarantined)
    onWarning(`${file} is not a valid job (${reason}): left in ${dataDir}/quarantine.`)
  return table
}

function boardOf({ dataDir, onWarning }: MoveOptions): FileWorkerBoard {
  return FileWorkerBoard.open(dataDir, onWarning)
}

/** Tokens of the same id are replaced. */
async function copyTokens(from: TokenStore, to: TokenStore): Promise<void> {
  const records = from.get()
  const ids = new Set(records.map(({ id }) => id))
  await to.change((known) => [...known.filter(({ id }) => !ids.has(id)), ...records])
  await to.saveUses(await from.uses())
}

async function copyWorkers(from: WorkerBoard, to: WorkerBoard): Promise<void> {
  const rows = await from.all()
  const ids = new Set(rows.map(({ workerId }) => workerId))
  for (const { workerId } of await to.all()) if (!ids.has(workerId)) await to.put(workerId, null)
  for (const row of rows) await to.put(row.workerId, row)
}

async function removeAll(table: JobTable, jobs: readonly Job[]): Promise<void> {
  for (let from = 0; from < jobs.length; from += BATCH)
    await Promise.all(
      jobs.slice(from, from + BATCH).map(async ({ jobId }) => await table.remove(jobId)),
    )
}

/** What the removed jobs of a data folder have used. */
async function usageOf({ dataDir, onWarning }: MoveOptions, table: JobTable): Promise<UsageRow[]> {
  const removed = await RemovedJobs.open(
    { dataDir, onError: onWarning },
    ({ jobId, created }) => table.get(jobId)?.createdAt === created,
  )
  try {
    const rows: UsageRow[] = []
    for (const day of new Set(removed.days())) {
      const tokens = await removed.on(day, (found) => found)
      for (const [token, { mediaMs, workMs, ...counts }] of tokens)
        rows.push({ day, token_id: token ?? '', ...counts, media_ms: mediaMs, work_ms: workMs })
    }
    return rows
  } finally {
    await removed.close()
  }
}

async function writeUsage(dataDir: string, rows: readonly UsageRow[]): Promise<void> {
  const folder = path.join(dataDir, 'usage')
  await rm(folder, { recursive: true, force: true })
  if (rows.length === 0) return
  makePrivateFolder(folder)
  const days = new Map<string, ByToken>()
  for (const { day, token_id: token, media_ms: mediaMs, work_ms: workMs, ...counts } of rows) {
    const tokens = days.get(day) ?? new Map()
    days.set(day, tokens.set(token === '' ? null : token, { ...counts, mediaMs, workMs }))
  }
  for (const [day, tokens] of days) await addToDay(folder, day, 1, tokens)
}

function countsOf(jobs: readonly Job[]): Record<Status, number> {
  const counts = Object.fromEntries(STATUSES.map((status) => [status, 0])) as Record<Status, number>
  for (const { status } of jobs) counts[status] += 1
  return counts
}
