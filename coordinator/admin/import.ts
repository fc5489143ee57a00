import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { AppError, isDiskFull, isSystemError, messageOf } from '../../shared/errors.ts'
import { lockFolder } from '../../shared/lock.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { makeFolder, makePrivateFolder, PRIVATE_FILE } from '../storage/private-folder.ts'
import { syncBelow } from '../storage/sync.ts'
import { fromOriginal, isOurs, type OriginalJob } from '../storage/original-record.ts'
import { fromRecord } from '../storage/record.ts'
import { packResult } from '../files/packed-result.ts'
import { Results } from '../files/results.ts'

export interface ImportOptions {
  /** The original's folder. */
  from: string
  /** Ours; the same one: its files are changed where they are. */
  to: string
  dryRun: boolean
  now: number
}

export interface ImportReport {
  imported: Record<Status, number>
  /** Jobs that are there already. */
  known: number
  /** Files that make no job; they stay where they are. */
  skipped: { file: string; reason: string }[]
  /** Jobs whose source is not there, by id. */
  sourceless: string[]
}

/**
 * Takes the jobs of a data folder of the original system over, each into the state it was in. What was taken over
 * before is left alone, so it may be repeated.
 * @throws {AppError} `usage` when a folder cannot be used, or a coordinator runs on ours.
 */
export async function importOriginal(options: ImportOptions): Promise<ImportReport> {
  const { to, dryRun } = options
  if (dryRun) return takeAll(options, null)
  makeFolder(to)
  for (const name of [...STATUSES, 'tmp']) makePrivateFolder(path.join(to, name))
  const lock = await lockFolder(to)
  if (lock === null) {
    throw new AppError('usage', `A coordinator is running on ${to}: stop it for the import.`)
  }
  try {
    const report = await takeAll(options, await Results.open(to))
    await syncBelow(to)
    return report
  } finally {
    await lock.release()
  }
}

/** @param results null: nothing is written. */
async function takeAll(options: ImportOptions, results: Results | null): Promise<ImportReport> {
  const { from, to, now } = options
  const imported = Object.fromEntries(STATUSES.map((status) => [status, 0]))
  const report: ImportReport = {
    imported: imported as Record<Status, number>,
    known: 0,
    skipped: [],
    sourceless: [],
  }
  const known = from === to ? new Set<string>() : idsIn(to)
  for (const status of STATUSES) {
    for (const file of jsonFiles(path.join(from, status))) {
      try {
        const raw: unknown = JSON.parse(readFileSync(file, 'utf8'))
        const job = isOurs(raw) ? null : fromOriginal(raw, status, now, factsOf)
        if (job === null || known.has(job.jobId)) {
          report.known += 1
          continue
        }
        await take(job, status, { file, to, results, now })
        known.add(job.jobId)
        report.imported[status] += 1
        const isToCome = status === 'pending' || status === 'processing'
        if (isToCome && factsOf(job.sourcePath) === null) report.sourceless.push(job.jobId)
      } catch (error) {
        if (isDiskFull(error) || isSystemError(error, 'EROFS', 'EACCES')) throw error
        const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)
        report.skipped.push({ file: path.join(status, path.basename(file)), reason })
      }
    }
  }
  return report
}

async function take(
  { jobId, record, result }: OriginalJob,
  status: Status,
  { file, to, results, now }: { file: string; to: string; results: Results | null; now: number },
): Promise<void> {
  const whole = { ...record, job_id: jobId, status }
  if (result !== null) {
    const { result: stored, json } = packResult(result.body, result.processingSeconds)
    const { digest, processingSeconds, mediaSeconds, body } = stored
    Object.assign(whole, {
      result: { digest, processing_seconds: processingSeconds, media_seconds: mediaSeconds, body },
    })
    if (json !== null) await results?.save(jobId, json)
  }
  // Whatever we write has to be read again at the next start.
  fromRecord(whole, jobId, status, now)
  if (results === null) return
  const temporary = path.join(to, 'tmp', `${jobId}.json`)
  const handle = await open(temporary, 'w', PRIVATE_FILE)
  try {
    await handle.writeFile(`${JSON.stringify(whole, null, 2)}\n`)
    await handle.datasync()
  } finally {
    await handle.close()
  }
  const target = path.join(to, status, `${jobId}.json`)
  renameSync(temporary, target)
  // In place, a file that had another name would be the same job a second time.
  if (path.dirname(file) === path.dirname(target) && file !== target) await rm(file)
}

function jsonFiles(folder: string): string[] {
  try {
    return readdirSync(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => path.join(folder, name))
  } catch (error) {
    if (isSystemError(error, 'ENOENT')) return []
    throw error
  }
}

function idsIn(dir: string): Set<string> {
  const files = STATUSES.flatMap((status) => jsonFiles(path.join(dir, status)))
  return new Set(files.map((file) => path.basename(file, '.json')))
}

function factsOf(file: string): { sizeBytes: number; modifiedAt: number } | null {
  const found = statSync(file, { throwIfNoEntry: false })
  return found?.isFile() === true
    ? { sizeBytes: found.size, modifiedAt: Math.floor(found.mtimeMs) }
    : null
}
