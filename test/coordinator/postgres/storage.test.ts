import assert from 'node:assert/strict'
import { rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { examineDatabase } from '../../../coordinator/admin/doctor-database.ts'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { Database } from '../../../coordinator/storage/postgres/database.ts'
import { BreakingLine } from '../../shared/breaking-line.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { tempFolder } from '../../shared/temp-folder.ts'
import { claim, createJob, startRunning, until } from '../running.ts'
import { over, two } from './over.ts'

const KEY = 'k'.repeat(32)
const auth = { authorization: `Bearer ${KEY}` }

describe('a coordinator over PostgreSQL', { skip: noPostgres }, () => {
  test('takes what another has begun: jobs, leases, results and tokens', async (t) => {
    const [one, other] = await two(t, { apiKey: KEY })
    const { token } = await one.tokens.create({
      role: 'admin',
      name: 'boss',
      types: null,
      lifeMs: null,
    })
    const headers = { authorization: `Bearer ${token}` }
    await until(async () => (await other.ask('GET', '/workers', { headers })).status === 200)
    const json = {
      source_file_path: one.file('talk.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'task',
    }
    const made = await one.ask('POST', '/remote-jobs', { json, headers })
    const jobId = String(made.body['job_id'])
    const asked = { worker_id: 'w1', content_types: ['audio'], claim_id: 'c1', wait_seconds: 20 }
    const given = await other.ask('POST', '/remote-jobs/claim', { json: asked, headers })
    const [job] = given.body['jobs'] as { job_id: string; lease_token: string }[]
    assert.equal(job?.job_id, jobId)
    const content = 'words '.repeat(20_000)
    const result = { success: true, content, lease_token: job.lease_token }
    const done = await one.ask('PUT', `/remote-jobs/${jobId}/result`, { json: result, headers })
    assert.equal(done.status, 200, done.text)
    const read = await other.ask('GET', `/remote-jobs/${jobId}/result`, { headers })
    assert.ok(read.body['content'] === content)
    const { body } = await other.ask('GET', '/usage', { headers })
    assert.equal((body['rows'] as { completed: number }[])[0]?.completed, 1)
    assert.equal((await other.ask('DELETE', `/remote-jobs/${jobId}`, { headers })).status, 200)
    assert.deepEqual((await one.ask('GET', '/usage', { headers })).body, body)
  })

  test('says what works while the database is away, and goes on when it is back', async (t) => {
    const server = await sharedPostgres()
    const line = await BreakingLine.to(server.port, t)
    const url = (await server.database()).replace(`:${server.port}/`, `:${line.port}/`)
    const running = await startRunning(t, { ...over(url, false), apiKey: KEY })
    const at = async (route: string): Promise<[number, Record<string, unknown>]> => {
      const answer = await fetch(`${running.url}${route}`)
      return [answer.status, (await answer.json()) as Record<string, unknown>]
    }
    assert.deepEqual(await at('/ready'), [200, { status: 'ready' }])
    assert.equal((await at('/health'))[1]['database'], 'up')
    line.break()
    await until(async () => (await at('/ready'))[0] === 503)
    assert.deepEqual(await at('/live'), [200, { status: 'live' }])
    const [status, health] = await at('/health')
    assert.deepEqual([status, health['database'], health['status']], [503, 'down', 'failing'])
    assert.equal(health['detail'], 'The database cannot be reached.')
    const refused = await running.ask('GET', '/remote-jobs/', { headers: auth })
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [503, '5'])
    assert.equal((await running.ask('GET', '/remote-jobs/')).status, 401)
    const metrics = await running.ask('GET', '/metrics', { headers: auth })
    assert.match(metrics.text, /^morag_database_up 0$/m)
    line.mend()
    await until(async () => (await at('/ready'))[0] === 200)
    assert.equal((await running.ask('GET', '/remote-jobs/', { headers: auth })).status, 200)
  })

  test('refuses a database without its tables, with the command to run', async (t) => {
    const server = await sharedPostgres()
    const admin = new Database({ address: databaseAddress(server.url('postgres')), poolSize: 1 })
    const name = `empty_${process.pid}`
    await admin.query({ name: '', text: `CREATE DATABASE ${name}` })
    await admin.close()
    const start = startRunning(t, over(server.url(name), false))
    await assert.rejects(start, { code: 'usage', message: /run morag-coordinator migrate/ })
    const [finding] = await examineDatabase(server.url(name), Date.now())
    assert.equal(finding?.level, 'fail')
    assert.match(finding.what, /run morag-coordinator migrate/)
  })

  test('refuses a folder that is not that of its database, and one that another has', async (t) => {
    const setup = over(await (await sharedPostgres()).database(), false)
    const one = await startRunning(t, setup)
    const inUse = startRunning(t, { ...setup, root: one.root })
    await assert.rejects(inUse, { code: 'usage', message: /Another coordinator is running/ })
    await one.stop()
    const other = tempFolder()
    writeFileSync(path.join(other, 'data-folder'), 'another')
    const elsewhere = startRunning(t, { ...setup, dataDir: other })
    await assert.rejects(elsewhere, { code: 'usage', message: /is not the folder of uploads/ })
    rmSync(path.join(other, 'data-folder'))
    const again = await startRunning(t, { ...setup, root: one.root })
    const jobId = await createJob(again)
    assert.equal((await claim(again))[0]?.job_id, jobId)
  })

  test('is examined: what would lose jobs, and what is well', async () => {
    const url = await (await sharedPostgres()).database()
    const findings = await examineDatabase(url, Date.now())
    assert.equal(findings[0]?.level, 'ok')
    // The server of the tests does not wait for its disk.
    const what = findings.map(({ level, what: said }) => `${level} ${said}`).join('\n')
    assert.match(what, /^fail a crash may damage the database/m)
    assert.match(what, /^warn no standby is synchronous/m)
    const late = await examineDatabase(url, Date.now() - 3_600_000)
    assert.match(late.at(-1)!.what, /differ by 3[56]\d\d s/)
  })
})
