import { randomUUID } from 'node:crypto'
import { AppError } from '../../../shared/errors.ts'
import { lastAttempt, type Job } from '../../job/job.ts'
import { fromRecord } from '../record.ts'
import type { Database } from './database.ts'
import { columnsOf, leaseColumns, leaseOf, type JobRow } from './rows.ts'
import { runningCoordinators } from './running-coordinators.ts'
import { Shelves } from './shelves.ts'
import { HAPPENED, INSERT, LEASE, LEND, NOW, ROW } from './statements.ts'

/** What the removed jobs of a token have used on a day. */
export interface UsageRow {
  /** Like `2026-01-31`. */
  day: string
  /** Empty: the API key. */
  token_id: string
  jobs: number
  completed: number
  failed: number
  cancelled: number
  media_ms: number
  work_ms: number
}

const PAGE = 500

/** $1 the last id before, or null. */
const PAGE_OF_JOBS = {
  name: 'dump_jobs',
  text: `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE $1::uuid IS NULL OR j.job_id > $1 ORDER BY j.job_id LIMIT ${PAGE}`,
}
const COUNT = { name: 'dump_count', text: 'SELECT count(*) AS n FROM morag.jobs' }
/** $1 ids. */
const OTHERS = {
  name: 'dump_others',
  text: 'SELECT job_id FROM morag.jobs WHERE job_id <> ALL ($1::uuid[]) LIMIT 1',
}
const PUT_SECRET = {
  name: 'dump_secret',
  text: 'INSERT INTO morag.secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET value = excluded.value',
}
const SECRETS = { name: 'dump_secrets', text: 'SELECT name, value FROM morag.secrets' }
const PUT_USAGE = {
  name: 'dump_put_usage',
  text: `INSERT INTO morag.removed_usage SELECT * FROM json_populate_recordset(NULL::morag.removed_usage, $1::json)
  ON CONFLICT (day, token_id) DO UPDATE SET jobs = excluded.jobs, completed = excluded.completed, failed = excluded.failed,
    cancelled = excluded.cancelled, media_ms = excluded.media_ms, work_ms = excluded.work_ms`,
}
const USAGE = {
  name: 'dump_usage',
  text: "SELECT to_char(day, 'YYYY-MM-DD') AS day, token_id, jobs, completed, failed, cancelled, media_ms, work_ms FROM morag.removed_usage",
}
const EMPTY = {
  name: '',
  text: `TRUNCATE morag.jobs, morag.leases, morag.shelves, morag.workers, morag.directives, morag.tokens, morag.secrets,
  morag.removed_usage, morag.tried_steps, morag.turns`,
}

/** All that a database keeps for coordinators, as a whole: while none of them runs. */
export class DatabaseDump {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  /** @throws {AppError} `usage` while a coordinator runs. */
  async refuseRunning(): Promise<void> {
    if ((await runningCoordinators(this.#database)) === 0) return
    const message = `A coordinator runs on the database ${this.#database.label}, or was killed less than half a minute ago: stop it first.`
    throw new AppError('usage', message)
  }

  async size(): Promise<number> {
    return (await this.#database.one<{ n: number }>(COUNT))!.n
  }

  /** The id of a job that is not one of these, or null. */
  async otherThan(jobIds: readonly string[]): Promise<string | null> {
    return (await this.#database.one<{ job_id: string }>(OTHERS, [jobIds]))?.job_id ?? null
  }

  /** Adds the jobs that it does not have. */
  async addJobs(jobs: readonly Job[]): Promise<void> {
    const { now } = (await this.#database.one<{ now: number }>(NOW))!
    const shelves = new Shelves(this.#database)
    for (const job of jobs) if (job.status === 'pending') await shelves.ensure(job, now)
    for (let from = 0; from < jobs.length; from += PAGE) {
      const page = jobs.slice(from, from + PAGE)
      const rows = page.map((job) => columnsOf(job, { version: 1, mark: randomUUID(), now }))
      const values = [JSON.stringify(rows)]
      await this.#database.write(
        INSERT,
        values,
        async () => await this.#database.query(HAPPENED, values),
      )
      const leases = page.flatMap((job) =>
        job.status === 'processing' ? [leaseColumns(job, 1)] : [],
      )
      if (leases.length > 0) await this.#database.query(LEND, [JSON.stringify(leases)])
    }
  }

  /** All jobs, in pages. */
  async *jobs(): AsyncIterable<Job[]> {
    for (let last: string | null = null; ;) {
      const rows: JobRow[] = await this.#database.query<JobRow>(PAGE_OF_JOBS, [last])
      if (rows.length === 0) return
      yield rows.map(jobOf)
      last = rows.at(-1)!.job_id
    }
  }

  async putSecret(name: string, value: Buffer): Promise<void> {
    await this.#database.query(PUT_SECRET, [name, value])
  }

  async secrets(): Promise<{ name: string; value: Buffer }[]> {
    return await this.#database.query(SECRETS)
  }

  async putUsage(rows: readonly UsageRow[]): Promise<void> {
    if (rows.length > 0) await this.#database.query(PUT_USAGE, [JSON.stringify(rows)])
  }

  async usage(): Promise<UsageRow[]> {
    return await this.#database.query<UsageRow>(USAGE)
  }

  /** Removes everything but its tables. */
  async empty(): Promise<void> {
    await this.#database.query(EMPTY)
  }
}

/** With its lease as last renewed, where that is known. */
function jobOf({ job_id: jobId, status, record, attempt, lease }: JobRow): Job {
  const job = fromRecord(JSON.parse(record), jobId, status, 0)
  const isKnown =
    job.status === 'processing' && lease !== null && attempt === lastAttempt(job)?.number
  return isKnown ? { ...job, lease: leaseOf(lease) } : job
}
