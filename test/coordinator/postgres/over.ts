import type { TestContext } from 'node:test'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { sharedPostgres } from '../../shared/postgres-server.ts'
import { startRunning, type Running, type Setup } from '../running.ts'

/** Settings for a coordinator over a database. */
export function over(url: string, isShared: boolean): Setup {
  const address = databaseAddress(url)
  return { database: { address, direct: null, pool: 4, isShared } }
}

/** Two coordinators over a database and a folder. */
export async function two(t: TestContext, setup: Setup = {}): Promise<[Running, Running]> {
  const shared = { ...over(await (await sharedPostgres()).database(), true), ...setup }
  const one = await startRunning(t, shared)
  return [one, await startRunning(t, { ...shared, root: one.root })]
}
