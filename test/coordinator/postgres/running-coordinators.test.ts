import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import {
  enterCoordinator,
  runningCoordinators,
} from '../../../coordinator/storage/postgres/running-coordinators.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'

describe('the coordinators of a database', { skip: noPostgres }, () => {
  test('are counted from their start to their end, or until they have been silent for long', async (t) => {
    const url = await (await sharedPostgres()).database()
    const database = new Database({ address: databaseAddress(url), poolSize: 2 })
    t.after(async () => await database.close())
    const count = async (): Promise<number> => await runningCoordinators(database)
    const age = async (seconds: number): Promise<void> => {
      const text = `UPDATE morag.coordinators SET seen_at = seen_at - ${seconds * 1_000} WHERE version = 'old'`
      await database.query({ name: '', text })
    }
    assert.equal(await count(), 0)
    const leaveOld = await enterCoordinator(database, 'old')
    const leave = await enterCoordinator(database, 'new')
    assert.equal(await count(), 2)
    await age(31)
    assert.equal(await count(), 1)
    await leave()
    assert.equal(await count(), 0)
    await age(600)
    const leaveLast = await enterCoordinator(database, 'new')
    const rows = await database.query({ name: '', text: 'SELECT version FROM morag.coordinators' })
    assert.deepEqual(rows, [{ version: 'new' }], 'the one that was silent for ten minutes is gone')
    await leaveOld()
    await leaveLast()
    assert.equal(await count(), 0)
  })
})
