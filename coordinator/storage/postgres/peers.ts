import { SECOND } from '../../../shared/duration.ts'
import { afterStandstill } from '../../job/clock-shift.ts'
import type { EndedJob, Job, PendingJob, ProcessingJob } from '../../job/job.ts'
import { freshLease } from '../../job/lease.ts'
import type { Policy } from '../../job/policy.ts'
import type { Peers, StepWish, TurnName } from '../peers.ts'
import type { Database, Statement } from './database.ts'
import { leaseColumns, storedOf, type JobRow } from './rows.ts'
import type { PostgresSignals } from './signals.ts'
import { LEASE, RENEW, ROW } from './statements.ts'

export interface PeersOptions {
  database: Database
  signals: PostgresSignals
  /** The database's clock. */
  now: () => number
  policy: Policy
}

const named = (name: string, text: string): Statement => ({ name, text })

const FIRST_TURN = named(
  'first_turn',
  `INSERT INTO morag.turns (name, at, by) VALUES ($1, morag.now_ms(), $2) ON CONFLICT (name) DO NOTHING RETURNING name`,
)
/** $1 name, $2 least time since the last, in milliseconds, $3 who. A time ahead: the database's clock was set back. */
const TURN = named(
  'turn',
  `WITH last AS (SELECT name, at FROM morag.turns WHERE name = $1
    AND (at <= morag.now_ms() - $2 OR at > morag.now_ms() + 5000) FOR UPDATE SKIP LOCKED)
  UPDATE morag.turns t SET at = morag.now_ms(), by = $3 FROM last WHERE t.name = last.name
  RETURNING morag.now_ms() - last.at AS since`,
)
/** $1 the last id of the page before. */
const LEASED = named(
  'leased',
  `SELECT ${ROW} FROM morag.jobs j ${LEASE} WHERE j.status = 'processing' AND l.job_id > $1 ORDER BY l.job_id LIMIT 500`,
)
const OPENINGS = named(
  'openings',
  `SELECT ${ROW.replace(/l\./g, 'NULL AS ')} FROM morag.shelves s CROSS JOIN LATERAL (
    SELECT * FROM morag.jobs WHERE ready AND content_type = s.content_type AND requires_key = s.requires_key
    ORDER BY rank, created_at, job_id LIMIT 1) AS j
  UNION ALL (SELECT ${ROW.replace(/l\./g, 'NULL AS ')} FROM morag.jobs j
    WHERE j.status = 'pending' AND NOT ready AND reserved_for IS NOT NULL AND available_at <= $1 LIMIT 200)`,
)
/** $1 jobs that are tried still, $2 who. */
const KEEP_STEPS = named(
  'keep_steps',
  `WITH over AS (DELETE FROM morag.tried_steps WHERE by = $2 AND job_id <> ALL ($1::uuid[]))
  UPDATE morag.tried_steps SET until_at = morag.now_ms() + 180000 WHERE by = $2 AND job_id = ANY ($1::uuid[])`,
)
/** $1 how many, $2 who. */
const DUE_STEPS = named(
  'due_steps',
  `WITH due AS (SELECT job_id FROM morag.jobs j WHERE next_step_at <= morag.now_ms() AND NOT EXISTS (
      SELECT FROM morag.tried_steps t WHERE t.job_id = j.job_id AND t.until_at > morag.now_ms())
    ORDER BY next_step_at LIMIT $1 FOR UPDATE SKIP LOCKED),
  taken AS (INSERT INTO morag.tried_steps AS t (job_id, until_at, by)
    SELECT job_id, morag.now_ms() + 180000, $2::uuid FROM due
    ON CONFLICT (job_id) DO UPDATE SET until_at = excluded.until_at, by = excluded.by WHERE t.until_at <= morag.now_ms()
    RETURNING job_id)
  SELECT ${ROW.replace(/l\./g, 'NULL AS ')} FROM taken JOIN morag.jobs j USING (job_id)`,
)
/** $1 open before, $2 how many. */
const WAITING_HERE = named(
  'waiting_here',
  `(SELECT ${ROW.replace(/l\./g, 'NULL AS ')} FROM morag.jobs j WHERE status = 'pending' AND local
    ORDER BY rank, created_at LIMIT $2)
  UNION ALL (SELECT ${ROW.replace(/l\./g, 'NULL AS ')} FROM morag.jobs j WHERE ready AND open_at <= $1
    ORDER BY rank, created_at LIMIT $2)`,
)

/** A pass that comes early by this part of its interval is not early. */
const EARLY = 0.1
/** While nobody has had the turn for longer, workers may not have reached a coordinator. */
const LONGEST_MS = 10 * SECOND
const NIL = '00000000-0000-0000-0000-000000000000'

/** The coordinators over a database. */
export class PostgresPeers implements Peers {
  readonly signals: PostgresSignals
  readonly #options: PeersOptions
  readonly #turns = new Set<TurnName>()
  #isTrying = false

  constructor(options: PeersOptions) {
    this.#options = options
    this.signals = options.signals
  }

  async openings(): Promise<PendingJob[]> {
    return await this.#jobs(OPENINGS, [Math.floor(this.#options.now())])
  }

  async turn(name: TurnName, everyMs: number): Promise<boolean> {
    const { database } = this.#options
    if (!this.#turns.has(name)) {
      const first = await database.query(FIRST_TURN, [name, this.signals.id])
      this.#turns.add(name)
      if (first.length > 0) return true
    }
    const leastMs = Math.round(everyMs * (1 - EARLY))
    const turn = await database.one<{ since: number }>(TURN, [name, leastMs, this.signals.id])
    if (turn === null) return false
    const pausedMs = turn.since - everyMs
    if (name === 'leases' && (pausedMs > LONGEST_MS || turn.since < 0))
      await this.#extend(Math.max(0, pausedMs))
    return true
  }

  async dueSteps({ most, running }: StepWish): Promise<EndedJob[]> {
    const { database } = this.#options
    if (this.#isTrying) await database.query(KEEP_STEPS, [running, this.signals.id])
    this.#isTrying = running.length > 0
    if (most <= 0) return []
    const found = await this.#jobs<EndedJob>(DUE_STEPS, [most, this.signals.id])
    if (found.length > 0) this.#isTrying = true
    return found
  }

  async waitingHere(openBefore: number | null, most: number): Promise<PendingJob[]> {
    return await this.#jobs(WAITING_HERE, [openBefore && Math.floor(openBefore), most])
  }

  /** Gives running attempts a full term, and a deadline that does not count the pause. */
  async #extend(pausedMs: number): Promise<void> {
    const { database, now, policy } = this.#options
    for (let last = NIL; ;) {
      const rows = await database.query<JobRow>(LEASED, [last])
      const leases = rows.map((row) => {
        const { job, rev } = storedOf(row, now(), policy)
        const extended = afterStandstill(job, pausedMs, now()) as ProcessingJob
        return leaseColumns({ ...extended, lease: freshLease(extended, now(), policy) }, rev ?? 0)
      })
      if (leases.length > 0) await database.query(RENEW, [JSON.stringify(leases)])
      if (rows.length < 500) return
      last = rows.at(-1)!.job_id
    }
  }

  async #jobs<J extends Job>(statement: Statement, values: readonly unknown[]): Promise<J[]> {
    const { database, now, policy } = this.#options
    const rows = await database.query<JobRow>(statement, values)
    return rows.map((row) => storedOf(row, now(), policy).job as J)
  }
}
