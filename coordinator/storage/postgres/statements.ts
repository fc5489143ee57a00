import type { columnsOf } from './rows.ts'
import type { Statement } from './database.ts'

/** The columns of `jobs`, as {@link columnsOf} gives them: the record as a text, whose escapes JSON functions refuse. */
const TYPES: Readonly<Record<keyof ReturnType<typeof columnsOf>, string>> = {
  job_id: 'uuid',
  version: 'bigint',
  mark: 'uuid',
  status: 'text',
  content_type: 'text',
  requires_key: 'text',
  rank: 'int',
  created_at: 'bigint',
  ready: 'boolean',
  open_at: 'bigint',
  available_at: 'bigint',
  reserved_for: 'text',
  local: 'boolean',
  size_bytes: 'bigint',
  attempt: 'int',
  worker_id: 'text',
  token_id: 'text',
  claim_id: 'text',
  submitted_by: 'text',
  task_id: 'text',
  ended_at: 'bigint',
  next_step_at: 'bigint',
  step_receiver: 'text',
  media_ms: 'bigint',
  work_ms: 'bigint',
  search: 'text',
  record: 'text',
}
const COLUMNS = Object.keys(TYPES)
const valueOf = (name: string): string => (name === 'record' ? 'n.record::json' : `n.${name}`)
const SET = COLUMNS.map((name) => `${name} = ${valueOf(name)}`)
  .slice(1)
  .join(', ')

/** What a job is read of. */
export const ROW = 'j.job_id, j.status, j.version, j.record, l.attempt, l.rev, l.lease'
export const LEASE = `LEFT JOIN morag.leases l ON l.job_id = j.job_id AND j.status = 'processing'`

const named = (name: string, text: string): Statement => ({ name, text })
/** Rows given as JSON. */
const GIVEN = `json_to_recordset($1::json) AS n (${Object.entries(TYPES)
  .map((pair) => pair.join(' '))
  .join(', ')})`
const LEASES =
  'json_to_recordset($1::json) AS n (job_id uuid, attempt int, rev bigint, due_at bigint, lease text)'

/** $1 ids. */
export const READ = named(
  'read',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.job_id = ANY ($1::uuid[])`,
)

/** $1 jobs. */
export const INSERT = named(
  'insert',
  `INSERT INTO morag.jobs (${COLUMNS.join(', ')}) SELECT ${COLUMNS.map(valueOf).join(', ')} FROM ${GIVEN}
  ON CONFLICT (job_id) DO NOTHING RETURNING mark`,
)

/** $1 jobs, each of the version after the one that it replaces; $2 leases of those that are processed. */
export const WRITE = named(
  'write',
  `WITH n AS (SELECT * FROM ${GIVEN}),
  done AS (UPDATE morag.jobs j SET ${SET} FROM n WHERE j.job_id = n.job_id AND j.version = n.version - 1
    RETURNING j.job_id, j.mark, j.status),
  held AS (INSERT INTO morag.leases (job_id, attempt, rev, due_at, lease)
    SELECT job_id, attempt, rev, due_at, lease::json FROM ${LEASES.replace('$1', '$2')} WHERE job_id IN (SELECT job_id FROM done)
    ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt, rev = leases.rev + 1, due_at = excluded.due_at,
      lease = excluded.lease),
  over AS (DELETE FROM morag.leases WHERE job_id IN (SELECT job_id FROM done WHERE status <> 'processing'))
  SELECT mark FROM done`,
)

/** $1 as for {@link INSERT} and {@link WRITE}: which of these changes have happened. */
export const HAPPENED = named(
  'happened',
  `SELECT j.mark FROM ${GIVEN} JOIN morag.jobs j ON j.job_id = n.job_id AND j.mark = n.mark`,
)

/** $1 id, $2 version. What the job has used goes where removed jobs have it, in the same moment. */
export const REMOVE = named(
  'remove',
  `WITH gone AS (DELETE FROM morag.jobs WHERE job_id = $1 AND version = $2
    RETURNING job_id, created_at, submitted_by, status, media_ms, work_ms),
  over AS (DELETE FROM morag.leases WHERE job_id IN (SELECT job_id FROM gone)),
  used AS (INSERT INTO morag.removed_usage AS u (day, token_id, jobs, completed, failed, cancelled, media_ms, work_ms)
    SELECT date '1970-01-01' + (created_at / 86400000)::int, coalesce(submitted_by, ''), 1,
      (status = 'completed')::int, (status IN ('failed', 'timeout'))::int, (status = 'cancelled')::int, media_ms, work_ms
    FROM gone
    ON CONFLICT (day, token_id) DO UPDATE SET jobs = u.jobs + excluded.jobs, completed = u.completed + excluded.completed,
      failed = u.failed + excluded.failed, cancelled = u.cancelled + excluded.cancelled,
      media_ms = u.media_ms + excluded.media_ms, work_ms = u.work_ms + excluded.work_ms)
  SELECT job_id FROM gone`,
)

/** $1 leases, each with the rev that it replaces. */
export const RENEW = named(
  'renew',
  `UPDATE morag.leases l SET rev = l.rev + 1, due_at = n.due_at, lease = n.lease::json FROM ${LEASES}
  WHERE l.job_id = n.job_id AND l.attempt = n.attempt AND l.rev = n.rev RETURNING l.job_id`,
)

/** $1 leases of jobs that have none. */
export const LEND = named(
  'lend',
  `INSERT INTO morag.leases AS l (job_id, attempt, rev, due_at, lease)
  SELECT n.job_id, n.attempt, n.rev, n.due_at, n.lease::json FROM ${LEASES}
  JOIN morag.jobs j ON j.job_id = n.job_id AND j.attempt = n.attempt AND j.status = 'processing'
  ON CONFLICT (job_id) DO UPDATE SET attempt = excluded.attempt, rev = l.rev + 1, due_at = excluded.due_at,
    lease = excluded.lease WHERE l.attempt <> excluded.attempt
  RETURNING job_id`,
)

/** Running jobs without a lease. */
export const UNLEASED = named(
  'unleased',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.status = 'processing' AND l.job_id IS NULL LIMIT 500`,
)

/** $1 workers. */
export const HELD = named(
  'held',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.status = 'processing' AND j.worker_id = ANY ($1)
  ORDER BY j.created_at, j.job_id`,
)

/**
 * The first jobs of each shelf that nobody else looks at, and those that are reserved. $1 content types, $2 requirements,
 * $3 ranks and $4 instants to begin with, $5 how many of each; $6 workers, $7 now.
 */
export const PICK = named(
  'pick',
  `WITH open AS (
    SELECT p.* FROM unnest($1::text[], $2::text[], $3::int[], $4::bigint[]) s (content_type, requires_key, rank, created_at)
    CROSS JOIN LATERAL (
      SELECT j.* FROM morag.jobs j
      WHERE j.ready AND j.content_type = s.content_type AND j.requires_key = s.requires_key
        AND (j.rank, j.created_at) >= (s.rank, s.created_at)
      ORDER BY j.rank, j.created_at, j.job_id LIMIT $5 FOR UPDATE SKIP LOCKED) p),
  reserved AS (
    SELECT * FROM morag.jobs j WHERE j.status = 'pending' AND NOT j.ready AND j.reserved_for = ANY ($6)
      AND j.available_at <= $7 ORDER BY j.rank, j.created_at, j.job_id LIMIT $5 FOR UPDATE SKIP LOCKED)
  SELECT job_id, status, version, record, rank, created_at, content_type, requires_key, reserved_for, ready FROM open
  UNION ALL
  SELECT job_id, status, version, record, rank, created_at, content_type, requires_key, reserved_for, ready FROM reserved`,
)

/** $1 now. */
export const OPEN = named(
  'open',
  `UPDATE morag.jobs j SET ready = true WHERE job_id IN (
    SELECT job_id FROM morag.jobs WHERE status = 'pending' AND NOT ready AND NOT local AND open_at <= $1
    ORDER BY open_at LIMIT 500 FOR UPDATE SKIP LOCKED)
  RETURNING job_id, status, version, record, NULL AS attempt, NULL AS rev, NULL AS lease`,
)
export const NEXT_OPEN = named(
  'next_open',
  `SELECT min(open_at) AS at FROM morag.jobs WHERE status = 'pending' AND NOT ready AND NOT local`,
)

/** $1 now. */
export const DUE = named(
  'due',
  `SELECT l.job_id, l.lease FROM morag.leases l JOIN morag.jobs j ON j.job_id = l.job_id AND j.status = 'processing'
  WHERE l.due_at <= $1 ORDER BY l.due_at LIMIT 500`,
)
/** Leases whose job's end came at the moment that they were written in. $1 now. */
export const FORGET = named(
  'forget',
  `DELETE FROM morag.leases l WHERE l.due_at <= $1
    AND NOT EXISTS (SELECT FROM morag.jobs j WHERE j.job_id = l.job_id AND j.status = 'processing')`,
)
/** Jobs that could be had before an instant, $1. None could before it was made. */
export const WAITED = named(
  'waited',
  `SELECT job_id FROM morag.jobs WHERE status = 'pending' AND created_at <= $1 AND open_at <= $1
  ORDER BY created_at LIMIT 500`,
)

/** $1 status. */
export const IN_STATUS = named(
  'in_status',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.status = $1 ORDER BY j.created_at, j.job_id`,
)
/** $1 statuses, $2 the last instant, $3 and $4 when the job before ended, and its id, $5 how many. */
export const ENDED = named(
  'ended',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.status = ANY ($1) AND j.ended_at <= $2
    AND (j.ended_at, j.job_id) > ($3, $4) ORDER BY j.ended_at, j.job_id LIMIT $5`,
)
/** $1 how many. */
export const LAST_COMPLETED = named(
  'last_completed',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.status = 'completed' AND j.ended_at IS NOT NULL
  ORDER BY j.ended_at DESC LIMIT $1`,
)
/** $1 submitter, $2 ids that do not count. */
export const OPEN_OF = named(
  'open_of',
  `SELECT count(*) AS n FROM morag.jobs WHERE submitted_by = $1 AND status IN ('pending', 'processing')
    AND job_id <> ALL ($2::uuid[])`,
)
/** $1 task. */
export const OF_TASK = named(
  'of_task',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.task_id = $1
  ORDER BY j.created_at DESC, j.job_id DESC LIMIT 100`,
)

/** $1 statuses, $2 whether of one submitter, $3 whom. */
export const COUNT = named(
  'count',
  `SELECT content_type, status, count(*) AS n, min(open_at) AS oldest_at FROM morag.jobs
  WHERE status = ANY ($1) AND (NOT $2 OR submitted_by IS NOT DISTINCT FROM $3) GROUP BY content_type, status`,
)
/** $1 submitter, $2 content type, $3 requirements. */
export const KINDS = named(
  'kinds',
  `SELECT count(*) AS n, bool_or(content_type = $2 AND requires_key = $3) AS known FROM (
    SELECT DISTINCT content_type, requires_key FROM morag.jobs
    WHERE status = 'pending' AND NOT local AND submitted_by IS NOT DISTINCT FROM $1) k`,
)
/** $1 id, $2 how far to count. */
export const PLACE = named(
  'place',
  `SELECT count(b.job_id) AS n, coalesce(sum(b.size_bytes), 0)::bigint AS bytes FROM morag.jobs j LEFT JOIN LATERAL (
    SELECT b.job_id, b.size_bytes FROM morag.jobs b
    WHERE b.status = 'pending' AND NOT b.local AND b.content_type = j.content_type
      AND (b.rank, b.created_at, b.job_id) < (j.rank, j.created_at, j.job_id) LIMIT $2) b ON true
  WHERE j.job_id = $1 AND j.status = 'pending' AND NOT j.local GROUP BY j.job_id`,
)

export const SHELVES = named(
  'shelves',
  'SELECT content_type, requires_key, requirements FROM morag.shelves',
)
/** $1 content type, $2 requirements' key, $3 requirements, $4 now. */
export const PUT_SHELF = named(
  'put_shelf',
  `INSERT INTO morag.shelves (content_type, requires_key, requirements, used_at) VALUES ($1, $2, $3, $4)
  ON CONFLICT (content_type, requires_key) DO UPDATE SET used_at = greatest(shelves.used_at, excluded.used_at)`,
)
/** $1 an instant. */
export const DROP_SHELVES = named(
  'drop_shelves',
  `DELETE FROM morag.shelves s WHERE s.used_at < $1 AND NOT EXISTS (SELECT FROM morag.jobs j
    WHERE j.status = 'pending' AND j.content_type = s.content_type AND j.requires_key = s.requires_key)`,
)
export const NOW = named('now', 'SELECT morag.now_ms() AS now')
