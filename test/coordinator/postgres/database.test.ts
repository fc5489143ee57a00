import assert from 'node:assert/strict'
import { describe, test, type TestContext } from 'node:test'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { Database, type Row } from '../../../coordinator/storage/postgres/database.ts'
import { checkSchema, migrate, migrations } from '../../../coordinator/storage/postgres/migrate.ts'
import { AppError } from '../../../shared/errors.ts'
import { BreakingLine } from '../../shared/breaking-line.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { until } from '../running.ts'

const text = (sql: string): { name: string; text: string } => ({ name: '', text: sql })

function connect(t: TestContext, url: string, onFailure?: (failure: AppError | null) => void) {
  const database = new Database({
    address: databaseAddress(url),
    poolSize: 4,
    ...(onFailure && { onFailure }),
  })
  t.after(async () => await database.close())
  return database
}

/** A database of its own, behind a line that can be cut. */
async function behindLine(t: TestContext, query = '') {
  const server = await sharedPostgres()
  const url = await server.database()
  const line = await BreakingLine.to(server.port, t)
  const failures: (AppError | null)[] = []
  const through = `${url.replace(`:${server.port}/`, `:${line.port}/`)}${query}`
  const database = connect(t, through, (failure) => failures.push(failure))
  return { database, line, failures, direct: connect(t, url) }
}

const TOKEN = text(`INSERT INTO morag.tokens VALUES ('a', 'b', '{}') RETURNING name`)
const FIND = text(`SELECT name FROM morag.tokens`)

describe('a PostgreSQL database', { skip: noPostgres }, () => {
  test('gives rows: instants as numbers, JSON as it was written', async (t) => {
    const database = connect(t, await (await sharedPostgres()).database())
    const row = await database.one(text(`SELECT 5::bigint AS n, '{"b": "\\u0000"}'::json AS j`))
    assert.deepEqual(row, { n: 5, j: String.raw`{"b": "\u0000"}` })
    assert.ok(Number((await database.one(text('SELECT morag.now_ms() AS now')))?.['now']) > 1e12)
  })

  for (const query of ['', '?pipeline=false&prepare=false'])
    test(`commits a transaction whole, or not at all ${query}`, async (t) => {
      const database = connect(t, `${await (await sharedPostgres()).database()}${query}`)
      const no = new AppError('conflict', 'No.')
      const failing = database.transaction(async (ask) => {
        await ask(TOKEN)
        throw no
      })
      await assert.rejects(failing, no)
      assert.deepEqual(await database.query(FIND), [])
      const made = await database.transaction(async (ask) => {
        await ask(TOKEN)
        return await ask<Row>({ name: 'find', text: FIND.text })
      })
      assert.deepEqual([made, await database.query(FIND)], [[{ name: 'b' }], [{ name: 'b' }]])
    })

  test('tries what was undone for the sake of another again', async (t) => {
    const database = connect(t, await (await sharedPostgres()).database())
    await database.query(
      text(`CREATE SEQUENCE tries; CREATE FUNCTION clash() RETURNS bigint LANGUAGE plpgsql AS $$
        BEGIN
          IF nextval('tries') < 3 THEN RAISE 'clash' USING ERRCODE = '40P01'; END IF;
          RETURN currval('tries');
        END $$`),
    )
    assert.deepEqual(await database.one(text('SELECT clash() AS n')), { n: 3 })
  })

  test('reads again when only its connection broke', async (t) => {
    const { database, line, failures } = await behindLine(t)
    await database.query(FIND)
    line.cut()
    assert.deepEqual(await database.query(FIND), [])
    assert.deepEqual(failures, [])
  })

  test('ends no process when a new connection breaks before its first statement', async (t) => {
    const { database, line } = await behindLine(t)
    let broken = 0
    line.losesAnswer = (sent) => broken < 2 && sent.includes('pg_is_in_recovery') && ++broken > 0
    await assert.rejects(database.query(FIND), { code: 'unavailable' })
    assert.equal(broken, 2)
  })

  test('knows of a change without an answer whether it happened', async (t) => {
    const { database, line, failures, direct } = await behindLine(t)
    const happened = async (): Promise<Row[]> => await database.query(FIND)
    line.losesAnswer = (sent) => sent.includes('INSERT INTO')
    assert.deepEqual(await database.write(TOKEN, [], happened), [{ name: 'b' }])
    await direct.query(text('DELETE FROM morag.tokens'))
    line.losesAnswer = (sent) => sent.includes('COMMIT')
    const work = async (): Promise<Row[]> =>
      await database.transaction(async (ask) => await ask(TOKEN), happened)
    assert.deepEqual(await work(), [{ name: 'b' }])
    assert.deepEqual([failures, (await direct.query(FIND)).length], [[], 1])
  })

  test('refuses at once while it is gone, and works when it is back', async (t) => {
    const { database, line, failures } = await behindLine(t)
    await database.query(FIND)
    line.break()
    await assert.rejects(database.query(FIND), (error) => {
      assert.ok(error instanceof AppError)
      assert.deepEqual([error.code, error.retryAfterSeconds], ['unavailable', 5])
      return true
    })
    assert.equal(database.failure, failures[0])
    await assert.rejects(database.query(FIND), database.failure!)
    line.mend()
    await until(() => database.failure === null)
    assert.deepEqual(await database.query(FIND), [])
    assert.equal(failures.at(-1), null)
  })

  test('is found at the host that takes changes', async (t) => {
    const server = await sharedPostgres()
    const url = await server.database()
    const line = await BreakingLine.to(server.port, t)
    line.break()
    const both = url.replace('127.0.0.1:', `127.0.0.1:${line.port},127.0.0.1:`)
    assert.deepEqual(await connect(t, both).query(FIND), [])
  })

  test('has its tables by migrations, each once', async (t) => {
    const database = connect(t, await (await sharedPostgres()).database())
    await checkSchema(database)
    const [first] = await migrations()
    const next = { number: 9_999, name: '9999-next', text: 'CREATE TABLE morag.x ()', sha256: 'x' }
    const known = [first!, next]
    assert.deepEqual(await migrate(database, { known, isDryRun: true }), [next])
    const both = await Promise.all([migrate(database, { known }), migrate(database, { known })])
    assert.ok(both.flat().includes(next))
    assert.deepEqual(await migrate(database, { known }), [])
    await assert.rejects(checkSchema(database), /9999, which this version does not know/)
    const other = [{ ...first!, sha256: 'other' }, next]
    await assert.rejects(migrate(database, { known: other }), /another 0001-begin/)
  })

  test('without its tables is not served', async (t) => {
    const server = await sharedPostgres()
    await server.database()
    await assert.rejects(
      checkSchema(connect(t, server.url('postgres'))),
      /lacks 0001-begin: run morag-coordinator migrate/,
    )
  })
})
