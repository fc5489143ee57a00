import { randomUUID } from 'node:crypto'
import { MINUTE, SECOND } from '../../../shared/duration.ts'
import { startInterval } from '../../../shared/timers.ts'
import type { Database } from './database.ts'

const RENEWED_EVERY = 10 * SECOND
/** One that is silent for longer is not there any more. */
const RUNNING_MS = 30 * SECOND
const FORGOTTEN_MS = 10 * MINUTE

const RENEW = {
  name: 'coordinator_renew',
  text: `WITH gone AS (DELETE FROM morag.coordinators WHERE seen_at < morag.now_ms() - ${FORGOTTEN_MS} AND id <> $1)
    INSERT INTO morag.coordinators VALUES ($1, $2, morag.now_ms(), morag.now_ms())
    ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at`,
}
const LEAVE = {
  name: 'coordinator_leave',
  text: 'DELETE FROM morag.coordinators WHERE id = $1',
}
const COUNT = {
  name: 'coordinator_count',
  text: `SELECT count(*) AS n FROM morag.coordinators WHERE seen_at > morag.now_ms() - ${RUNNING_MS}`,
}

/** Enters a coordinator among those that run on a database. @returns a function that takes it out again. */
export async function enterCoordinator(
  database: Database,
  version: string,
): Promise<() => Promise<void>> {
  const id = randomUUID()
  const renew = async (): Promise<void> => void (await database.query(RENEW, [id, version]))
  await renew()
  let last: Promise<unknown> = Promise.resolve()
  // While the database is away nobody counts it, either.
  const timer = startInterval(() => {
    last = renew().catch(() => undefined)
  }, RENEWED_EVERY)
  return async () => {
    clearInterval(timer)
    await last
    await database.query(LEAVE, [id]).catch(() => undefined)
  }
}

/** How many run on a database. */
export async function runningCoordinators(database: Database): Promise<number> {
  return (await database.one<{ n: number }>(COUNT))!.n
}
