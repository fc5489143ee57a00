import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import {
  claimedJob,
  createJob,
  NO_INGESTION,
  startRunning,
  until,
  type Claimed,
  type Running,
  type Setup,
  notInFiles,
} from '../coordinator/running.ts'
import { startReceiver } from './receiver.ts'

const LOCAL = { ingestion: { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] } }
/** Sooner than another coordinator tries the steps of one that was killed. */
const IN_TIME = { timeout: 90_000 }
const SECRETS = /in-the-query|\/hook|bearer-of-the-client|whsec_/
const OWN_SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

async function setUp(t: TestContext, setup: Setup = LOCAL) {
  const receiver = await startReceiver(t)
  const running = await startRunning(t, setup)
  const task_options = {
    webhook_url: receiver.url,
    webhook_auth_token: 'bearer-of-the-client',
    webhook_secret: OWN_SECRET,
  }
  return { receiver, running, task_options }
}

async function finish(running: Running, { job_id, lease_token }: Claimed, different = {}) {
  const json = { success: true, content: 'Hello.', metadata: {}, lease_token, ...different }
  return await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })
}

async function stepsOf(running: Running, jobId: string) {
  const { body } = await running.ask('GET', `/remote-jobs/${jobId}`)
  return (body['continuation'] as { steps: Record<string, unknown>[] } | null)?.steps
}

describe('the answer to a result', () => {
  test('comes when what follows is on the disk', { skip: notInFiles }, async (t) => {
    const { running, receiver, task_options } = await setUp(t)
    receiver.answer = { status: 500 }
    const job = await claimedJob(running, { task_options })
    const { body } = await finish(running, job)
    const journal = readFileSync(path.join(running.dataDir, 'journal.ndjson'), 'utf8')
    assert.deepEqual(body, { status: 'completed', ingestion_continued: true })
    const line = journal.split('\n').find((one) => one.includes('"status":"completed"'))
    assert.match(line ?? '', /"continuation":\{"id":"[0-9a-f-]{36}","steps":\[\{"name":"webhook"/)
  })

  test('says truly whether anything follows', async (t) => {
    const { running, task_options } = await setUp(t)
    assert.equal(
      (await finish(running, await claimedJob(running))).body['ingestion_continued'],
      false,
    )
    const job = await claimedJob(running, { task_options })
    const again = { success: false, error_message: 'busy', error_code: 'engine_failed' }
    const pending = await finish(running, job, again)
    assert.deepEqual(pending.body, { status: 'pending', ingestion_continued: false })
    const other = await claimedJob(running, { task_options })
    const broken = { success: false, error_message: 'broken', error_code: 'invalid_media' }
    const first = await finish(running, other, broken)
    assert.deepEqual(first.body, { status: 'failed', ingestion_continued: true })
    assert.deepEqual((await finish(running, other, broken)).body, first.body)
  })
})

describe('a job shows', () => {
  test('how far each step is', async (t) => {
    const { running, receiver, task_options } = await setUp(t)
    receiver.answer = { status: 500, body: 'out of order' }
    const jobId = await createJob(running, { task_options })
    assert.equal(await stepsOf(running, jobId), undefined)
    await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
    await until(async () => (await stepsOf(running, jobId))?.[0]?.['tries'] === 1)
    const [step] = (await stepsOf(running, jobId))!
    const { next_at, last_at, ...rest } = step!
    assert.deepEqual(rest, {
      step: 'webhook',
      state: 'pending',
      tries: 1,
      last_error: 'The receiver answered 500: out of order.',
      task: null,
      answer: null,
    })
    assert.ok(Date.parse(String(next_at)) >= Date.parse(String(last_at)) + 1_000)
  })

  test('of its webhook nothing but the origin, in no answer and no line of the log', async (t) => {
    const { running, receiver, task_options } = await setUp(t)
    const job = await claimedJob(running, { task_options })
    const shown = [JSON.stringify(job), (await finish(running, job)).text]
    await receiver.delivery(0)
    await until(async () => (await stepsOf(running, job.job_id))?.[0]?.['state'] === 'done')
    const routes = ['', '/status', '/result', '/result.json'].map((one) => `/${job.job_id}${one}`)
    for (const route of ['/', ...routes]) {
      shown.push((await running.ask('GET', `/remote-jobs${route}`)).text)
    }
    const { body } = await running.ask('GET', `/remote-jobs/${job.job_id}`)
    assert.equal(body['webhook'], new URL(receiver.url).origin)
    for (const text of [...shown, ...running.logged]) assert.doesNotMatch(text, SECRETS)
    const told = running.logged.filter((line) => line.includes('"step":"webhook"'))
    assert.equal(told.length, 1)
  })
})

test(
  'a webhook that was down hears of the end after a restart, under the same id',
  IN_TIME,
  async (t) => {
    const { running, receiver, task_options } = await setUp(t)
    receiver.answer = { status: 503 }
    const { body } = await finish(running, await claimedJob(running, { task_options }))
    assert.equal(body['status'], 'completed')
    const first = await receiver.delivery(0)
    await running.stop()
    receiver.answer = { status: 204 }
    await startRunning(t, { ...LOCAL, root: running.root })
    const second = await receiver.delivery(1)
    assert.equal(second.headers['webhook-id'], first.headers['webhook-id'])
  },
)

describe('POST /remote-jobs/{id}/continuation/retry', () => {
  const route = (jobId: string): string => `/remote-jobs/${jobId}/continuation/retry`

  test('delivers again, under the same id', async (t) => {
    const { running, receiver, task_options } = await setUp(t)
    const jobId = await createJob(running, { task_options })
    await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
    const first = await receiver.delivery(0)
    await until(async () => (await stepsOf(running, jobId))?.[0]?.['state'] === 'done')
    const { status, body } = await running.ask('POST', route(jobId), {
      json: { steps: ['webhook'] },
    })
    assert.deepEqual([status, body['job_id'], body['status']], [200, jobId, 'cancelled'])
    const second = await receiver.delivery(1)
    assert.equal(second.headers['webhook-id'], first.headers['webhook-id'])
    assert.equal((body['continuation'] as { id: string }).id, second.headers['webhook-id'])
  })

  test('without a body tries what is not done, which may be nothing', async (t) => {
    const { running, receiver, task_options } = await setUp(t)
    receiver.answer = { status: 410 }
    const jobId = await createJob(running, { task_options })
    await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
    await until(async () => (await stepsOf(running, jobId))?.[0]?.['state'] === 'failed')
    receiver.answer = { status: 204 }
    assert.equal((await running.ask('POST', route(jobId))).status, 200)
    await until(async () => (await stepsOf(running, jobId))?.[0]?.['state'] === 'done')
    const { status, body } = await running.ask('POST', route(jobId))
    const [step] = (body['continuation'] as { steps: Record<string, unknown>[] }).steps
    assert.deepEqual([status, step!['state'], receiver.deliveries.length], [200, 'done', 2])
  })

  test('is refused when there is nothing to try', async (t) => {
    const { running, task_options } = await setUp(t)
    const jobId = await createJob(running, { task_options })
    const refusal = async (id: string, json = {}): Promise<unknown[]> => {
      const { status, body } = await running.ask('POST', route(id), { json })
      return [status, body['code']]
    }
    assert.deepEqual(await refusal(jobId), [409, 'conflict'])
    await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
    assert.deepEqual(await refusal(jobId, { steps: ['folder'] }), [422, 'invalid'])
    assert.deepEqual(await refusal(jobId, { steps: ['dance'] }), [422, 'invalid'])
    assert.deepEqual(await refusal(jobId, { steps: [] }), [422, 'invalid'])
    const silent = await createJob(running)
    await running.ask('POST', `/remote-jobs/${silent}/cancel`)
    assert.deepEqual(await refusal(silent), [409, 'conflict'])
    assert.deepEqual(await refusal('00000000-0000-4000-8000-000000000000'), [404, 'not_found'])
  })
})

test('a job is not made whose webhook is inside our network, by whatever way it says so', async (t) => {
  const running = await startRunning(t)
  const source_file_path = running.file('talk.mp3')
  const url = 'http://192.168.0.1/hook'
  for (const task_options of [{ webhook_url: url }, { webhook_config: { url } }]) {
    const json = { source_file_path, content_type: 'audio', ingestion_task_id: 't', task_options }
    const { status, text } = await running.ask('POST', '/remote-jobs/', { json })
    assert.equal(status, 422)
    assert.match(text, /192\.168\.0\.1 is not public: allow it with --webhook-allow/)
  }
})
