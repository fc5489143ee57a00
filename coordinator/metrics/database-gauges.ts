import type { Registry } from 'prom-client'
import type { Database } from '../storage/postgres/database.ts'
import type { PostgresSignals } from '../storage/postgres/signals.ts'
import { runningCoordinators } from '../storage/postgres/running-coordinators.ts'
import { gauge } from './gauge.ts'

/** A snapshot that is held for long keeps the database from removing old rows. */
const SNAPSHOT_AGE = {
  name: 'snapshot_age',
  text: `SELECT extract(epoch FROM max(clock_timestamp() - xact_start))::float8 AS seconds
    FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND datname = current_database()`,
}

/** Metrics of a database with the jobs. */
export function gaugeDatabase(
  registry: Registry,
  database: Database,
  signals: PostgresSignals,
): void {
  gauge(registry, {
    name: 'morag_database_up',
    help: '1: the database can be reached.',
    read: () => Number(database.failure === null),
  })
  gauge(registry, {
    name: 'morag_listener_up',
    help: '1: news of other coordinators are heard as they come; 0: they are looked for.',
    read: () => Number(signals.isListening),
  })
  gauge(registry, {
    name: 'morag_coordinators',
    help: 'Coordinators that share the database.',
    read: async () => await runningCoordinators(database).catch(() => null),
  })
  gauge(registry, {
    name: 'morag_database_snapshot_age_seconds',
    help: 'Age of the oldest transaction of the database, which keeps it from removing old rows.',
    async read() {
      // While it is away, there is none.
      const found = await database.one<{ seconds: number | null }>(SNAPSHOT_AGE).catch(() => null)
      return found === null ? null : Math.max(0, found.seconds ?? 0)
    },
  })
}
