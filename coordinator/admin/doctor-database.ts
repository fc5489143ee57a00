import { MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { databaseAddress } from '../storage/postgres/address.ts'
import { Database } from '../storage/postgres/database.ts'
import { checkSchema } from '../storage/postgres/migrate.ts'
import type { Finding } from './doctor.ts'

const FACTS = {
  name: 'doctor',
  text: `SELECT current_setting('server_version_num')::int AS version,
      current_setting('server_version') AS version_text,
      current_setting('fsync') = 'on' AS is_synced,
      current_setting('synchronous_commit') <> 'off' AS waits,
      current_setting('synchronous_standby_names') AS standbys,
      current_setting('autovacuum') = 'on' AS is_vacuumed,
      current_setting('max_connections')::int AS most,
      (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')::int AS used,
      (SELECT floor(extract(epoch FROM max(clock_timestamp() - xact_start)) * 1000)::bigint
        FROM pg_stat_activity WHERE backend_xmin IS NOT NULL AND datname = current_database()) AS oldest_ms,
      morag.now_ms() AS now`,
}

interface Facts {
  version: number
  version_text: string
  is_synced: boolean
  waits: boolean
  standbys: string
  is_vacuumed: boolean
  most: number
  used: number
  oldest_ms: number | null
  now: number
}

/** The oldest that is tested. */
const LEAST_VERSION = 140_000
const OLD_SNAPSHOT_MS = 5 * MINUTE
/** A coordinator takes 9 by default. */
const LEAST_FREE = 18
const MOST_SKEW_MS = 30 * SECOND

/** Checks a database without changing it. @param now by this machine's clock, in ms. */
export async function examineDatabase(url: string, now: number): Promise<Finding[]> {
  const database = new Database({ address: databaseAddress(url), poolSize: 1 })
  try {
    await checkSchema(database)
    const facts = await database.one<Facts>(FACTS)
    const what = `the database ${database.label} is up to date, PostgreSQL ${facts!.version_text}`
    return [{ level: 'ok', what, fix: null }, ...findingsOf(facts!, now)]
  } catch (error) {
    if (!(error instanceof AppError)) throw error
    return [{ level: 'fail', what: error.message, fix: null }]
  } finally {
    await database.close()
  }
}

function findingsOf(facts: Facts, now: number): Finding[] {
  const { version, is_synced, waits, standbys, is_vacuumed, most, used, oldest_ms } = facts
  const found: Finding[] = []
  const add = (level: Finding['level'], what: string, fix: string): void => {
    found.push({ level, what, fix })
  }
  if (version < LEAST_VERSION) add('fail', 'PostgreSQL is older than 14', 'Update it.')
  if (!is_synced) add('fail', 'a crash may damage the database (fsync = off)', 'Set fsync = on.')
  if (!waits) {
    const what = 'a crash loses jobs that were acknowledged (synchronous_commit = off)'
    add('fail', what, 'Set synchronous_commit = on.')
  }
  if (standbys === '') {
    const what = 'no standby is synchronous: a failover to one loses jobs that were acknowledged'
    const fix =
      'Set synchronous_standby_names where there are standbys, or use a service that does so.'
    add('warn', what, fix)
  }
  if (!is_vacuumed) add('warn', 'autovacuum is off: claims become slow', 'Set autovacuum = on.')
  if (oldest_ms !== null && oldest_ms > OLD_SNAPSHOT_MS) {
    const minutes = Math.round(oldest_ms / MINUTE)
    const what = `a transaction has been open for ${minutes} minutes: old rows stay, and claims become slow`
    add('warn', what, 'Find it in pg_stat_activity (xact_start), and end it.')
  }
  if (most - used < LEAST_FREE) {
    const what = `${used} of ${most} connections are in use`
    add('warn', what, 'Raise max_connections, or lower --database-pool.')
  }
  if (Math.abs(facts.now - now) > MOST_SKEW_MS) {
    const seconds = Math.round(Math.abs(facts.now - now) / SECOND)
    const what = `the database's clock and that of this machine differ by ${seconds} s`
    add('warn', what, 'Synchronise both (NTP).')
  }
  return found
}
