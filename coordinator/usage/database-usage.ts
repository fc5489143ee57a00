import { DAY } from '../../shared/duration.ts'
import type { Database } from '../storage/postgres/database.ts'
import type { Counts } from '../job/usage-counts.ts'
import { dayOf, type Day } from './days.ts'
import type { Usage } from './usage.ts'

/** Each day by itself, from the index: there may be millions of jobs. */
const DAYS = {
  name: 'usage_days',
  text: `WITH RECURSIVE found (day) AS (
      SELECT min(created_at) / 86400000 FROM morag.jobs WHERE created_at >= $1 AND created_at < $2
      UNION ALL
      SELECT (SELECT min(created_at) / 86400000 FROM morag.jobs
        WHERE created_at >= (found.day + 1) * 86400000 AND created_at < $2)
      FROM found WHERE day IS NOT NULL
    )
    SELECT day FROM found WHERE day IS NOT NULL
    UNION SELECT (day - date '1970-01-01')::bigint FROM morag.removed_usage
      WHERE day >= date '1970-01-01' + ($1 / 86400000)::int
        AND day < date '1970-01-01' + ($2 / 86400000)::int
    ORDER BY day`,
}
/** The length of a running attempt's recording is known to its lease alone. As text: JSON functions refuse some escapes. */
const MEDIA_MS = `coalesce(floor(substring(l.lease::text FROM '"media_seconds":([0-9.e+-]+)')::float8 * 1000 + 0.5)::bigint,
    j.media_ms)`
const JOBS = `morag.jobs j LEFT JOIN morag.leases l ON l.job_id = j.job_id AND j.status = 'processing'`
const ON = {
  name: 'usage_on',
  text: `SELECT token_id, sum(jobs)::bigint AS jobs, sum(completed)::bigint AS completed,
      sum(failed)::bigint AS failed, sum(cancelled)::bigint AS cancelled,
      sum(media_ms)::bigint AS media_ms, sum(work_ms)::bigint AS work_ms
    FROM (
      SELECT coalesce(j.submitted_by, '') AS token_id, count(*) AS jobs,
        count(*) FILTER (WHERE j.status = 'completed') AS completed,
        count(*) FILTER (WHERE j.status IN ('failed', 'timeout')) AS failed,
        count(*) FILTER (WHERE j.status = 'cancelled') AS cancelled,
        sum(${MEDIA_MS}) AS media_ms, sum(j.work_ms) AS work_ms
      FROM ${JOBS} WHERE j.created_at >= $1 AND j.created_at < $2 GROUP BY 1
      UNION ALL
      SELECT token_id, jobs, completed, failed, cancelled, media_ms, work_ms
      FROM morag.removed_usage WHERE day = $3::date
    ) AS used
    GROUP BY token_id`,
}
const MEDIA = {
  name: 'usage_media',
  text: `SELECT (SELECT coalesce(sum(${MEDIA_MS}), 0) FROM ${JOBS}
        WHERE j.submitted_by = $1 AND j.created_at >= $2 AND j.created_at < $3)::bigint
      + (SELECT coalesce(sum(media_ms), 0) FROM morag.removed_usage
        WHERE token_id = $1 AND day = $4::date)::bigint AS media_ms`,
}

interface Row extends Omit<Counts, 'mediaMs' | 'workMs'> {
  token_id: string
  media_ms: number
  work_ms: number
}

/**
 * Of the jobs of a database, as they are at the question, and of those removed from it: one statement removes a job and adds
 * what it has used, so that each counts once, whoever removes it and whatever breaks.
 */
export class DatabaseUsage implements Usage {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async mediaMsOf(token: string, day: Day): Promise<number> {
    const values = [token, ...spanOf(day, day), day]
    return (await this.#database.one<{ media_ms: number }>(MEDIA, values))!.media_ms
  }

  async days(from: Day, to: Day): Promise<Day[]> {
    const rows = await this.#database.query<{ day: number }>(DAYS, spanOf(from, to))
    return rows.map(({ day }) => dayOf(day * DAY))
  }

  async on(day: Day): Promise<Map<string | null, Counts>> {
    const rows = await this.#database.query<Row>(ON, [...spanOf(day, day), day])
    return new Map(
      rows.map(({ token_id: token, media_ms: mediaMs, work_ms: workMs, ...counts }) => [
        token === '' ? null : token,
        { ...counts, mediaMs, workMs },
      ]),
    )
  }
}

/** From the first instant of a day to that after another. */
function spanOf(from: Day, to: Day): [number, number] {
  return [Date.parse(from), Date.parse(to) + DAY]
}
