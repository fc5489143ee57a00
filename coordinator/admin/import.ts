import { randomUUID } from 'node:crypto'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { AppError, isDiskFull, isSystemError, messageOf } from '../../shared/errors.ts'
import { readJson, writeJson } from '../../shared/exact-json.ts'
import { lockFolder } from '../../shared/lock.ts'
import { printable } from '../../shared/printable.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { refuseOwned } from '../storage/data-folder.ts'
import { quarantineFile } from '../storage/folders.ts'
import { makeFolder, makePrivateFolder } from '../storage/private-folder.ts'
import { replaceFile } from '../../shared/replace-file.ts'
import { syncBelow } from '../storage/sync.ts'
import { fromOriginal, isOurs, type OriginalJob } from '../storage/original-record.ts'
import { fromRecord } from '../storage/record.ts'
import { Artifacts } from '../blobs/artifacts.ts'
import { packKnown } from '../blobs/packed-result.ts'
import { Results } from '../blobs/results.ts'

export interface ImportOptions {
  /** The original's data directory. */
  from: string
  /** The coordinator's data directory. If it equals `from`, the files are changed in place. */
  to: string
  dryRun: boolean
  now: number
}

export interface ImportReport {
  imported: Record<Status, number>
  /** Jobs that were imported before. */
  known: number
  /** Files that are not valid jobs. They stay in place, or are quarantined by an import in place. */
  skipped: { file: string; reason: string }[]
  /** Files of jobs that also exist in a more advanced status; treated as `skipped` ones are. */
  superseded: { file: string; reason: string }[]
  /** Ids of jobs whose source file is missing. */
  sourceless: string[]
}

/** Of a job in several status folders, the first of these counts. */
const MOST_ADVANCED_FIRST: readonly Status[] = [
  'completed',
  'failed',
  'timeout',
  'cancelled',
  'processing',
  'pending',
]

/**
 * Imports the jobs of a data directory of the original system; each keeps its status. Jobs imported before are not
 * touched, so it can be repeated.
 * @throws {AppError} `usage` if a directory cannot be used, or a coordinator is running on `to`.
 */
export async function importOriginal(options: ImportOptions): Promise<ImportReport> {
  const { to, dryRun } = options
  if (dryRun) return importAll(options, null)
  makeFolder(to)
  await refuseOwned(to)
  for (const name of [...STATUSES, 'tmp']) makePrivateFolder(path.join(to, name))
  const lock = await lockFolder(to)
  if (lock === null) {
    throw new AppError('usage', `A coordinator is running on ${to}: stop it first.`)
  }
  try {
    const report = await importAll(options, {
      results: await Results.open(to),
      artifacts: await Artifacts.open(to),
    })
    await syncBelow(to)
    return report
  } finally {
    await lock.release()
  }
}

export function reportText(
  { imported, known, skipped, superseded, sourceless }: ImportReport,
  isDryRun: boolean,
): string {
  const lines = [
    isDryRun ? 'would be imported:' : 'imported:',
    ...STATUSES.map((status) => `  ${status.padEnd(10)} ${imported[status]}`),
    ...(known > 0 ? [`already imported: ${known}`] : []),
    ...sourceless.map((id) => `${id}: source file missing, the job will fail`),
    ...superseded.map(({ file, reason }) => `${file}: ignored, ${reason}`),
    ...skipped.map(({ file, reason }) => `${file}: ${reason}`),
  ]
  return lines.map((line) => `${printable(line)}\n`).join('')
}

interface Stores {
  results: Results
  artifacts: Artifacts
}

/** @param stores null: nothing is written. */
async function importAll(options: ImportOptions, stores: Stores | null): Promise<ImportReport> {
  const { from } = options
  const run = new ImportRun(options, stores)
  for (const status of MOST_ADVANCED_FIRST) {
    for (const file of jsonFiles(path.join(from, status))) {
      try {
        await run.importFile(file, status)
      } catch (error) {
        if (isDiskFull(error) || isSystemError(error, 'EROFS', 'EACCES')) throw error
        const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)
        run.reject('skipped', file, reason)
      }
    }
  }
  return run.report
}

class ImportRun {
  readonly report: ImportReport
  readonly #options: ImportOptions
  readonly #stores: Stores | null
  readonly #isInPlace: boolean
  /** Ids of the jobs imported before. */
  readonly #known: ReadonlySet<string>
  /** By job id, the file that counts. */
  readonly #files = new Map<string, string>()

  constructor(options: ImportOptions, stores: Stores | null) {
    const { from, to } = options
    const imported = Object.fromEntries(STATUSES.map((status) => [status, 0]))
    this.report = {
      imported: imported as Record<Status, number>,
      known: 0,
      skipped: [],
      superseded: [],
      sourceless: [],
    }
    this.#options = options
    this.#stores = stores
    this.#isInPlace = from === to
    this.#known = this.#isInPlace ? new Set() : idsIn(to)
  }

  /** @throws if the file is not a valid job. */
  async importFile(file: string, status: Status): Promise<void> {
    const { to, now } = this.#options
    const raw = readJson(readFileSync(file, 'utf8'))
    const job = isOurs(raw) ? null : fromOriginal(raw, status, now, factsOf)
    const jobId = job?.jobId ?? path.basename(file, '.json')
    const first = this.#files.get(jobId)
    if (job !== null && first !== undefined)
      return this.reject('superseded', file, `the job is imported from ${first}`)
    if (job === null || this.#known.has(jobId)) {
      this.#files.set(jobId, this.#relative(file))
      this.report.known += 1
      return
    }
    await importJob(job, status, { file, to, stores: this.#stores, now })
    this.#files.set(jobId, this.#relative(file))
    this.report.imported[status] += 1
    const isOpen = status === 'pending' || status === 'processing'
    if (isOpen && factsOf(job.sourcePath) === null) this.report.sourceless.push(jobId)
  }

  /** Reports a file that is not imported. In place, it is quarantined. */
  reject(list: 'skipped' | 'superseded', file: string, reason: string): void {
    const relative = this.#relative(file)
    this.report[list].push({ file: relative, reason })
    if (this.#isInPlace && this.#stores !== null) quarantineFile(this.#options.to, relative)
  }

  #relative(file: string): string {
    return path.relative(this.#options.from, file)
  }
}

async function importJob(
  { jobId, record, result }: OriginalJob,
  status: Status,
  { file, to, stores, now }: { file: string; to: string; stores: Stores | null; now: number },
): Promise<void> {
  const whole = { ...record, job_id: jobId, status }
  if (result !== null && status === 'completed') {
    const { result: stored, json } = packKnown(result.body, result.processingSeconds)
    const { digest, processingSeconds, mediaSeconds, body } = stored
    Object.assign(whole, {
      result: { digest, processing_seconds: processingSeconds, media_seconds: mediaSeconds, body },
    })
    if (json !== null) await stores?.results.save({ jobId, result: stored }, json)
  } else if (result !== null) {
    const text = writeJson({ processing_time: result.processingSeconds, ...result.body })
    await stores?.artifacts.keep(jobId, 'original-result.json', text, async () => undefined)
  }
  // Throws if the next start could not read the record.
  fromRecord(whole, jobId, status, now)
  if (stores === null) return
  const target = path.join(to, status, `${jobId}.json`)
  const temporary = path.join(to, 'tmp', `${jobId}.${randomUUID()}.json`)
  await replaceFile(target, `${JSON.stringify(whole, null, 2)}\n`, { temporary })
  // In place, a file with another name would be the same job again.
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
