import { randomUUID } from 'node:crypto'
import { existsSync, readdirSync, statSync } from 'node:fs'
import { readFile, rm } from 'node:fs/promises'
import path from 'node:path'
import { SECOND } from '../../shared/duration.ts'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { lockFolder, type FolderLock } from '../../shared/lock.ts'
import { replaceFile, sync } from '../../shared/replace-file.ts'
import { delay } from '../../shared/timers.ts'
import { STATUSES } from '../../shared/wire.ts'
import { isJournal } from './journal-files.ts'
import { makeFolder } from './private-folder.ts'
import type { SecretStore } from './secrets.ts'

/** What a database and its data folder know each other by. */
const NAME = 'data-folder'
/** How long another coordinator may take to write that into a new folder. */
const PATIENCE_MS = 5 * SECOND

export interface DataFolderOptions {
  dir: string
  /** Whether several coordinators mount it. */
  isShared: boolean
  /** Of the database. */
  secrets: SecretStore
}

/**
 * Opens the folder of uploads and results that belongs to a database: a wrong one, or an empty mount point, would lose them.
 * @returns its lock; null where it is shared.
 * @throws {AppError} `usage` when it cannot be used, is another's, or a coordinator has it for itself.
 */
export async function openDataFolder(options: DataFolderOptions): Promise<FolderLock | null> {
  const { dir, isShared } = options
  try {
    makeFolder(dir)
    const lock = isShared ? null : await lockFolder(dir)
    if (lock === null && !isShared) {
      const inUse = `Another coordinator is running on ${dir}: stop it, or let all use it with --data-shared.`
      throw new AppError('usage', inUse)
    }
    try {
      await checkOwner(options)
      return lock
    } catch (error) {
      await lock?.release()
      throw error
    }
  } catch (error) {
    if (error instanceof AppError) throw error
    const unfit = `The data folder ${dir} cannot be used (${messageOf(error)}): name another with --data-dir.`
    throw new AppError('usage', unfit, { cause: error })
  }
}

/** @throws {AppError} `usage` when the jobs of a data folder are in a database. */
export async function refuseOwned(dir: string): Promise<void> {
  if ((await ownerOf(dir)) === null) return
  const message = `The jobs of ${dir} are in a database: name it with --database-url, or bring them back with morag-coordinator move to-files.`
  throw new AppError('usage', message)
}

/** What the database of a data folder knows it by; null: its jobs are files, too. */
export async function ownerOf(dir: string): Promise<string | null> {
  return await readName(path.join(dir, NAME))
}

/** What a database knows its data folder by; null: it has had none. */
export async function ownerIn(secrets: SecretStore): Promise<string | null> {
  return (await secrets.read(NAME))?.toString() ?? null
}

/** Gives a data folder to a database, or back to no database; durable. */
export async function setOwner(dir: string, secrets: SecretStore | null): Promise<void> {
  const file = path.join(dir, NAME)
  if (secrets !== null) {
    const own = (await ownerOf(dir)) ?? randomUUID()
    return await replaceFile(file, await secrets.keep(NAME, Buffer.from(own)))
  }
  await rm(file, { force: true })
  await sync(dir)
}

async function checkOwner({ dir, secrets }: DataFolderOptions): Promise<void> {
  const file = path.join(dir, NAME)
  const before = await readName(file)
  if (before === null && isOfFiles(dir)) {
    const message = `${dir} holds jobs or tokens of a coordinator without a database: move them with morag-coordinator move to-database, or name another --data-dir.`
    throw new AppError('usage', message)
  }
  const own = before ?? randomUUID()
  const wanted = (await secrets.keep(NAME, Buffer.from(own))).toString()
  if (before === null && wanted === own) await replaceFile(file, own)
  const until = performance.now() + PATIENCE_MS
  for (;;) {
    const found = await readName(file)
    if (found === wanted) return
    // Another coordinator may be about to write it.
    if (found !== null || performance.now() > until) break
    await delay(100)
  }
  const message = `${dir} is not the folder of uploads and results that belongs to ${secrets.placeOf(NAME)}: name that with --data-dir, and see whether it is mounted. If this one is to take its place, write ${wanted} to ${file}.`
  throw new AppError('usage', message)
}

/** Whether a data folder keeps jobs or tokens as files. */
function isOfFiles(dir: string): boolean {
  const isJob = (name: string): boolean => name.endsWith('.json')
  const isFull = (name: string): boolean => statSync(path.join(dir, name)).size > 0
  return (
    existsSync(path.join(dir, 'tokens.json')) ||
    STATUSES.some((status) => namesIn(path.join(dir, status)).some(isJob)) ||
    namesIn(dir).some((name) => isJournal(name) && isFull(name))
  )
}

function namesIn(folder: string): string[] {
  return existsSync(folder) ? readdirSync(folder) : []
}

async function readName(file: string): Promise<string | null> {
  try {
    return (await readFile(file, 'utf8')).trim() || null
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return null
    throw error
  }
}
