import { SECOND } from '../../../shared/duration.ts'
import type { Signals } from '../peers.ts'
import type { SharedBoard, WorkerBoard, WorkerReport, WorkerRow } from '../worker-board.ts'
import type { Database, Statement } from './database.ts'
import { keyOf } from './rows.ts'

const named = (name: string, text: string): Statement => ({ name, text })
const DECIDED = named('workers_decided', 'SELECT record FROM morag.directives ORDER BY worker_id')
const REPORTS = named(
  'workers_since',
  'SELECT record, seen_at, changed_at FROM morag.workers WHERE changed_at >= $1',
)
const NOW = named('workers_now', 'SELECT morag.now_ms() AS now')
const FIND = named('worker', 'SELECT record, seen_at FROM morag.workers WHERE worker_id = $1')
/** $1 reports. One that knows of an older heartbeat changes nothing but the time. */
const SAVE = named(
  'workers_save',
  `INSERT INTO morag.workers AS w (worker_id, seen_at, changed_at, record)
  SELECT worker_id, seen_at, morag.now_ms(), record FROM json_populate_recordset(NULL::morag.workers, $1::json)
  ORDER BY worker_id
  ON CONFLICT (worker_id) DO UPDATE SET seen_at = greatest(w.seen_at, excluded.seen_at), changed_at = excluded.changed_at,
    record = CASE WHEN coalesce((excluded.record ->> 'reportedAt')::float8, 0) < coalesce((w.record ->> 'reportedAt')::float8, 0)
      THEN w.record ELSE excluded.record END`,
)
const FORGET = named('workers_forget', 'DELETE FROM morag.workers WHERE worker_id = ANY ($1)')
/** One decision on a worker at a time, also on one of whom nothing is decided yet. */
const LOCK = named(
  'worker_lock',
  `SELECT pg_advisory_xact_lock(hashtextextended('morag ' || $1, 0))`,
)
const OF_WORKER = named(
  'worker_decided',
  'SELECT record FROM morag.directives WHERE worker_id = $1',
)
const DECIDE = named(
  'worker_decide',
  `INSERT INTO morag.directives (worker_id, changed_at, record) VALUES ($1, morag.now_ms(), $2)
  ON CONFLICT (worker_id) DO UPDATE SET changed_at = excluded.changed_at, record = excluded.record`,
)
const UNDECIDE = named('worker_undecide', 'DELETE FROM morag.directives WHERE worker_id = $1')

interface Kept {
  record: string
}
interface KeptReport extends Kept {
  seen_at: number
  changed_at: number
}

/** What workers report, and what is decided of them, in the database. */
export class PostgresWorkerBoard implements WorkerBoard, SharedBoard {
  readonly shared = this
  readonly signals: Signals
  readonly #database: Database

  constructor(database: Database, signals: Signals) {
    this.#database = database
    this.signals = signals
  }

  async all(): Promise<WorkerRow[]> {
    return rowsOf(await this.#database.query<Kept>(DECIDED))
  }

  async put(workerId: string, row: WorkerRow | null): Promise<void> {
    await this.change(workerId, () => row)
  }

  async read(
    since: number,
  ): Promise<{ reports: WorkerReport[]; decided: WorkerRow[]; readAt: number }> {
    const database = this.#database
    const from = Math.max(0, Math.floor(since))
    const [[now], decided, reports] = await Promise.all([
      database.query<{ now: number }>(NOW),
      this.all(),
      database.query<KeptReport>(REPORTS, [from]),
    ])
    const newest = Math.max(0, ...reports.map((one) => one.changed_at))
    return { reports: reports.map(reportOf), decided, readAt: Math.max(newest, now!.now - SECOND) }
  }

  async find(workerId: string): Promise<WorkerReport | null> {
    const found = await this.#database.one<KeptReport>(FIND, [keyOf(workerId)])
    return found && reportOf(found)
  }

  async save(reports: readonly WorkerReport[]): Promise<void> {
    const rows = reports.map((record) => ({
      worker_id: keyOf(record.workerId),
      seen_at: Math.floor(record.lastSeenAt),
      record,
    }))
    await this.#database.query(SAVE, [JSON.stringify(rows)])
  }

  async forget(workerIds: readonly string[]): Promise<void> {
    await this.#database.query(FORGET, [workerIds.map(keyOf)])
  }

  async change(
    workerId: string,
    change: (row: WorkerRow | null) => WorkerRow | null,
  ): Promise<WorkerRow | null> {
    const key = keyOf(workerId)
    return await this.#database.transaction(async (ask) => {
      await ask(LOCK, [key])
      const [before] = rowsOf<WorkerRow>(await ask<Kept>(OF_WORKER, [key]))
      const after = change(before ?? null)
      if (after === null) await ask(UNDECIDE, [key])
      else await ask(DECIDE, [key, JSON.stringify(after)])
      return after
    })
  }
}

function reportOf({ record, seen_at: lastSeenAt }: KeptReport): WorkerReport {
  return { ...(JSON.parse(record) as WorkerReport), lastSeenAt }
}

function rowsOf<T = never>(rows: readonly Kept[]): T[] {
  return rows.map(({ record }) => JSON.parse(record) as T)
}
