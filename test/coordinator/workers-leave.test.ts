import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Client } from '../../agent/client/client.ts'
import { Connection } from '../../shared/connection.ts'
import { Heartbeat } from '../../agent/client/heartbeat.ts'
import { claimedJob, createJob, startRunning, type Running } from './running.ts'

const KEY = 'a key that nobody can guess, of many characters'
const beat = { state: 'idle', version: '1', slots: 1, jobs: [] }

async function known(running: Running): Promise<unknown[]> {
  const { body } = await running.ask('GET', '/workers')
  return (body['workers'] as { worker_id: string }[]).map(({ worker_id }) => worker_id)
}

test('a worker that ends says goodbye, and is not missed', async (t) => {
  const running = await startRunning(t)
  const connection = new Connection({ url: running.url })
  t.after(async () => await connection.close())
  const heartbeat = new Heartbeat({
    client: new Client(connection),
    workerId: 'gpu-1',
    version: '1',
    slots: 1,
    device: null,
  })
  heartbeat.start({ state: 'idle', direct: () => undefined })
  await heartbeat.announced
  assert.deepEqual(await known(running), ['gpu-1'])
  await heartbeat.close()
  assert.deepEqual(await known(running), [])
})

test('a worker that a person has sent home stays known when it says goodbye, so that it stays at home', async (t) => {
  const running = await startRunning(t)
  await running.ask('POST', '/workers/w/heartbeat', { json: beat })
  await running.ask('POST', '/workers/w/drain')
  await running.ask('POST', '/workers/w/heartbeat', { json: { ...beat, state: 'stopped' } })
  const { body } = await running.ask('POST', '/workers/w/heartbeat', { json: beat })
  assert.equal(body['directive'], 'drain')
})

test('a worker can be removed, and an unknown one is a 404 for every action', async (t) => {
  const running = await startRunning(t)
  for (const [method, action] of [
    ['POST', '/drain'],
    ['POST', '/resume'],
    ['DELETE', ''],
  ] as const) {
    const { status, body } = await running.ask(method, `/workers/nobody${action}`)
    assert.equal(status, 404)
    assert.match(String(body['detail']), /^There is no worker nobody/)
  }
  assert.deepEqual(await known(running), [])
  await running.ask('POST', '/workers/a%20b/heartbeat', { json: beat })
  const removed = await running.ask('DELETE', '/workers/a%20b')
  assert.deepEqual(removed.body, { worker_id: 'a b', removed: true })
  assert.deepEqual(await known(running), [])
})

test('what is done by hand is logged, with who did it', async (t) => {
  const running = await startRunning(t, { apiKey: KEY })
  const headers = { authorization: `Bearer ${KEY}` }
  const ask = async (method: string, route: string, json?: object) => {
    const answer = await running.ask(method, route, { headers, ...(json && { json }) })
    assert.equal(answer.status, 200, answer.text)
    return answer.body
  }
  const form = async (): Promise<string> => {
    const file = running.file('a.mp3')
    const wish = { source_file_path: file, content_type: 'audio', ingestion_task_id: 't' }
    return String((await ask('POST', '/remote-jobs', wish))['job_id'])
  }
  const jobId = await form()
  await ask('POST', '/workers/w/heartbeat', beat)
  await ask('POST', `/remote-jobs/${jobId}/cancel`)
  await ask('POST', `/remote-jobs/${jobId}/retry`)
  await ask('POST', `/remote-jobs/${jobId}/cancel`)
  await ask('POST', `/remote-jobs/${jobId}/reassign`, { worker_id: 'w' })
  await ask('DELETE', `/remote-jobs/${jobId}`)
  await ask('POST', '/remote-jobs/cleanup', { dry_run: true })
  await ask('POST', '/remote-jobs/cleanup')
  await ask('POST', '/workers/w/drain')
  await ask('POST', '/workers/w/resume')
  await ask('DELETE', '/workers/w')
  const done = running.logged
    .map((line) => JSON.parse(line) as Record<string, unknown>)
    .filter(({ action }) => action !== undefined)
  assert.deepEqual(
    done.map(({ action }) => action),
    [
      'cancel',
      'retry',
      'cancel',
      'reassign',
      'delete',
      'cleanup',
      'drain',
      'resume',
      'remove worker',
    ],
  )
  assert.ok(done.every(({ by }) => by === 'api-key'))
  assert.equal(done[0]!['job_id'], jobId)
  assert.equal(done.at(-1)!['worker_id'], 'w')
})

test('what was refused is not logged as done', async (t) => {
  const running = await startRunning(t)
  const { job_id } = await claimedJob(running)
  assert.equal((await running.ask('DELETE', `/remote-jobs/${job_id}`)).status, 409)
  await createJob(running)
  assert.ok(!running.logged.some((line) => line.includes('"action"')))
})
