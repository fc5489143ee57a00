import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import path from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { AppError, isSystemError, messageOf } from '../../shared/errors.ts'
import { readJson } from '../../shared/exact-json.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import type { Job } from '../job/job.ts'
import { isOriginal } from './original-record.ts'
import { makePrivateFolder, PRIVATE_FILE } from './private-folder.ts'
import { fromRecord, toRecord } from './record.ts'

export interface Quarantined {
  file: string
  reason: string
}

/**
 * Creating inodes is slow: the event loop gets its turn after this long. Waiting for a thread would cost more than the files
 * themselves.
 */
const SLICE_MS = 5
/**
 * The status folders: one file per job, in the folder of its status, for people and as the database between two runs.
 * A job keeps its inode: it is written in place (padded) and renamed between folders. Nothing is synced here, and a file
 * may be torn: the journal holds what the folders may lose.
 */
export class JobFolders {
  readonly #dir: string
  /** The folder that holds a job's file. */
  readonly #places = new Map<string, Status>()

  constructor(dir: string) {
    this.#dir = dir
    for (const name of [...STATUSES, 'quarantine']) makePrivateFolder(path.join(dir, name))
    // Of earlier versions, and of an import.
    rmSync(path.join(dir, 'tmp'), { recursive: true, force: true })
  }

  /**
   * Reads the jobs; the newer copy of a job in two folders. Invalid files are quarantined.
   * @param journaled the jobs in the journal: their files are ignored.
   * @throws {AppError} `usage` if most jobs are of the original system.
   */
  load(
    now: number,
    journaled: Pick<ReadonlyMap<string, unknown>, 'has' | 'size'> = new Map(),
  ): { jobs: Map<string, Job>; quarantined: Quarantined[] } {
    const jobs = new Map<string, Job>()
    const quarantined: Quarantined[] = []
    const originals: string[] = []
    for (const status of STATUSES) {
      for (const entry of readdirSync(path.join(this.#dir, status), { withFileTypes: true })) {
        const { name } = entry
        if (name.startsWith('.')) continue
        const file = path.join(status, name)
        if (entry.isFile() && journaled.has(path.basename(name, '.json'))) {
          this.#supersede(path.basename(name, '.json'), status)
          continue
        }
        try {
          if (!name.endsWith('.json')) throw new Error('its name is not <job id>.json')
          const raw: unknown = readJson(readFileSync(path.join(this.#dir, file), 'utf8'))
          if (isOriginal(raw)) {
            originals.push(file)
            continue
          }
          const job = fromRecord(raw, name.slice(0, -'.json'.length), status, now)
          const twin = jobs.get(job.jobId)
          if (twin !== undefined) {
            const older = lastChange(twin) > lastChange(job) ? status : this.#places.get(job.jobId)!
            const reason = 'the job stands in another folder too, newer'
            this.#quarantine(path.join(older, name), reason, quarantined)
            if (older === status) continue
          }
          jobs.set(job.jobId, job)
          this.#places.set(job.jobId, status)
        } catch (error) {
          this.#quarantine(file, messageOf(error), quarantined)
        }
      }
    }
    // Few original jobs among ours are strays; a majority is a folder to import.
    if (originals.length > Math.max(journaled.size, this.#places.size))
      throw this.#isOriginals(originals[0]!)
    for (const file of originals) {
      const how = `morag-coordinator import takes over the folder that it comes from`
      this.#quarantine(file, `it is a job of the original system: ${how}`, quarantined)
    }
    return { jobs, quarantined }
  }

  /** Keeps one file of a journaled job, to be overwritten. */
  #supersede(jobId: string, status: Status): void {
    if (this.#places.has(jobId)) rmSync(this.#file(status, jobId))
    else this.#places.set(jobId, status)
  }

  statusOf(jobId: string): Status | undefined {
    return this.#places.get(jobId)
  }

  /**
   * Writes the files of changed jobs; null: removed. A job whose file fails stays in the map; jobs added meanwhile wait for
   * the next call.
   * @throws the first failure, after all others.
   */
  async follow(changed: Map<string, Job | null>): Promise<void> {
    const round = [...changed.keys()]
    const failures: unknown[] = []
    let sliceStart = performance.now()
    for (const jobId of round) {
      if (performance.now() - sliceStart > SLICE_MS) {
        await nextTurn()
        sliceStart = performance.now()
      }
      const job = changed.get(jobId)
      // The map is cleared when the lock is lost.
      if (job === undefined) continue
      try {
        if (job === null) this.#remove(jobId)
        else this.#write(job)
        changed.delete(jobId)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  #write(job: Job): void {
    const bytes = Buffer.from(`${JSON.stringify(toRecord(job), null, 2)}\n`)
    const file = this.#file(job.status, job.jobId)
    const place = this.#places.get(job.jobId)
    const at = place === undefined ? null : this.#file(place, job.jobId)
    if (at === null || !this.#rewrite(at, bytes)) this.#create(file, bytes)
    else if (at !== file) renameSync(at, file)
    this.#places.set(job.jobId, job.status)
  }

  #create(file: string, bytes: Buffer): void {
    let handle: number
    try {
      handle = openSync(file, 'wx', PRIVATE_FILE)
    } catch (error) {
      // What an earlier attempt or a person left there.
      if (isSystemError(error, 'EEXIST') && this.#rewrite(file, bytes)) return
      throw error
    }
    try {
      writeAll(handle, bytes)
    } finally {
      closeSync(handle)
    }
  }

  /** Overwrites a file, padded with blanks to its old length; false if it is missing. */
  #rewrite(file: string, bytes: Buffer): boolean {
    let handle: number
    try {
      handle = openSync(file, 'r+')
    } catch (error) {
      if (isSystemError(error, 'ENOENT')) return false
      throw error
    }
    try {
      // A person may have changed length or mode.
      const { size, mode } = fstatSync(handle)
      if ((mode & 0o077) !== 0) fchmodSync(handle, PRIVATE_FILE)
      const blanks = Math.max(0, size - bytes.length)
      writeAll(handle, blanks === 0 ? bytes : Buffer.concat([bytes, Buffer.alloc(blanks, ' ')]))
      return true
    } finally {
      closeSync(handle)
    }
  }

  #remove(jobId: string): void {
    const place = this.#places.get(jobId)
    if (place !== undefined) rmSync(this.#file(place, jobId), { force: true })
    this.#places.delete(jobId)
  }

  #isOriginals(file: string): AppError {
    const how = `morag-coordinator import ${this.#dir} --data-dir ${this.#dir}`
    const message = `${file} is a job of the original system. Take its jobs over where they are with: ${how}`
    return new AppError('usage', message)
  }

  #quarantine(file: string, reason: string, quarantined: Quarantined[]): void {
    quarantineFile(this.#dir, file)
    quarantined.push({ file, reason })
  }

  #file(status: Status, jobId: string): string {
    return path.join(this.#dir, status, `${jobId}.json`)
  }
}

/** Overwrites a file from its beginning. */
function writeAll(handle: number, bytes: Buffer): void {
  for (let done = 0; done < bytes.length;)
    done += writeSync(handle, bytes, done, bytes.length - done, done)
}

/** Moves a file of a data folder into its `quarantine/`. @param file its path in the data folder. */
export function quarantineFile(dataDir: string, file: string): void {
  const folder = path.join(dataDir, 'quarantine')
  makePrivateFolder(folder)
  const name = file.replaceAll(path.sep, '-')
  let target = path.join(folder, name)
  for (let n = 1; existsSync(target); n += 1) target = path.join(folder, `${name}.${n}`)
  renameSync(path.join(dataDir, file), target)
}

function lastChange(job: Job): number {
  const last = job.attempts.at(-1)
  return Math.max(
    job.createdAt,
    last?.startedAt ?? 0,
    last?.endedAt ?? 0,
    'completedAt' in job ? job.completedAt : 0,
  )
}
