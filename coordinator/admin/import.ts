import { readdirSync, readFileSync, renameSync, statSync } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import path from 'node:path'
import { z } from 'zod'
import { AppError, isDiskFull, isSystemError, messageOf } from '../../shared/errors.ts'
import { readJson, writeJson } from '../../shared/exact-json.ts'
import { lockFolder } from '../../shared/lock.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { makeFolder, makePrivateFolder, PRIVATE_FILE } from '../storage/private-folder.ts'
import { putAside } from '../storage/quarantine.ts'
import { syncBelow } from '../storage/sync.ts'
import { fromOriginal, isOurs, type OriginalJob } from '../storage/original-record.ts'
import { fromRecord } from '../storage/record.ts'
import { Artifacts } from '../blobs/artifacts.ts'
import { packKnown } from '../blobs/packed-result.ts'
import { Results } from '../blobs/results.ts'

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
  /** Files that make no job; they stay where they are, or are put aside where both folders are one. */
  skipped: { file: string; reason: string }[]
  /** Files of jobs that stand in a more advanced status, too; what becomes of them is as with `skipped`. */
  superseded: { file: string; reason: string }[]
  /** Jobs whose source is not there, by id. */
  sourceless: string[]
}

/** A job that stands in several folders is what it is in the first of them. */
const MOST_ADVANCED_FIRST: readonly Status[] = [
  'completed',
  'failed',
  'timeout',
  'cancelled',
  'processing',
  'pending',
]

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
    const report = await takeAll(options, {
      results: await Results.open(to),
      artifacts: await Artifacts.open(to),
    })
    await syncBelow(to)
    return report
  } finally {
    await lock.release()
  }
}

/** What is kept beside a job's own file. */
interface Kept {
  results: Results
  artifacts: Artifacts
}

/** @param kept null: nothing is written. */
async function takeAll(options: ImportOptions, kept: Kept | null): Promise<ImportReport> {
  const { from } = options
  const run = new ImportRun(options, kept)
  for (const status of MOST_ADVANCED_FIRST) {
    for (const file of jsonFiles(path.join(from, status))) {
      try {
        await run.take(file, status)
      } catch (error) {
        if (isDiskFull(error) || isSystemError(error, 'EROFS', 'EACCES')) throw error
        const reason = error instanceof z.ZodError ? z.prettifyError(error) : messageOf(error)
        run.leave('skipped', file, reason)
      }
    }
  }
  return run.report
}

/** One pass over a folder of the original. */
class ImportRun {
  readonly report: ImportReport
  readonly #options: ImportOptions
  readonly #kept: Kept | null
  readonly #isInPlace: boolean
  /** The jobs that were there before, by id. */
  readonly #known: ReadonlySet<string>
  /** By id, the file that a job was first met in. */
  readonly #met = new Map<string, string>()

  constructor(options: ImportOptions, kept: Kept | null) {
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
    this.#kept = kept
    this.#isInPlace = from === to
    this.#known = this.#isInPlace ? new Set() : idsIn(to)
  }

  /** Takes a file's job over, unless it was before. @throws what is wrong with the file. */
  async take(file: string, status: Status): Promise<void> {
    const { to, now } = this.#options
    const raw = readJson(readFileSync(file, 'utf8'))
    const job = isOurs(raw) ? null : fromOriginal(raw, status, now, factsOf)
    const jobId = job?.jobId ?? path.basename(file, '.json')
    const elsewhere = this.#met.get(jobId)
    if (job !== null && elsewhere !== undefined)
      return this.leave('superseded', file, `the job is taken from ${elsewhere}`)
    if (job === null || this.#known.has(jobId)) {
      this.#met.set(jobId, this.#shown(file))
      this.report.known += 1
      return
    }
    await take(job, status, { file, to, kept: this.#kept, now })
    this.#met.set(jobId, this.#shown(file))
    this.report.imported[status] += 1
    const isToCome = status === 'pending' || status === 'processing'
    if (isToCome && factsOf(job.sourcePath) === null) this.report.sourceless.push(jobId)
  }

  /** Names a file that is not taken over; in a folder of ours it is put aside. */
  leave(list: 'skipped' | 'superseded', file: string, reason: string): void {
    const shown = this.#shown(file)
    this.report[list].push({ file: shown, reason })
    if (this.#isInPlace && this.#kept !== null) putAside(this.#options.to, shown)
  }

  #shown(file: string): string {
    return path.relative(this.#options.from, file)
  }
}

async function take(
  { jobId, record, result }: OriginalJob,
  status: Status,
  { file, to, kept, now }: { file: string; to: string; kept: Kept | null; now: number },
): Promise<void> {
  const whole = { ...record, job_id: jobId, status }
  if (result !== null && status === 'completed') {
    const { result: stored, json } = packKnown(result.body, result.processingSeconds)
    const { digest, processingSeconds, mediaSeconds, body } = stored
    Object.assign(whole, {
      result: { digest, processing_seconds: processingSeconds, media_seconds: mediaSeconds, body },
    })
    if (json !== null) await kept?.results.save(jobId, json)
  } else if (result !== null) {
    const text = writeJson({ processing_time: result.processingSeconds, ...result.body })
    await kept?.artifacts.keep(jobId, 'original-result.json', text, () => undefined)
  }
  // Whatever we write has to be read again at the next start.
  fromRecord(whole, jobId, status, now)
  if (kept === null) return
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
