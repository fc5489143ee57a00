import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { text } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { Webhook } from 'standardwebhooks'
import { AddressGuard } from '../../coordinator/ingestion/address-guard.ts'
import { ProgressWebhooks } from '../../coordinator/ingestion/progress-webhooks.ts'
import { WebhookSender } from '../../coordinator/ingestion/webhook-sender.ts'
import { HOUR } from '../../shared/duration.ts'
import { assembled, type Assembled } from '../coordinator/assembled.ts'
import { claim, NO_INGESTION, startRunning, until } from '../coordinator/running.ts'
import { processForm } from './process-client.ts'
import { startReceiver, type Receiver } from './receiver.ts'

const SECRET = `whsec_${Buffer.alloc(32, 7).toString('base64')}`

interface Scene extends Assembled {
  progress: ProgressWebhooks
}

async function setUp(t: TestContext, intervalMs = 0): Promise<Scene> {
  const all = await assembled(t)
  const guard = new AddressGuard(['127.0.0.1'])
  const sender = new WebhookSender({ secret: SECRET, guard, now: Date.now })
  const progress = new ProgressWebhooks({ jobs: all.jobs, sender, intervalMs })
  all.jobs.subscribe(progress)
  t.after(() => progress.close())
  return { ...all, progress }
}

async function running(scene: Scene, url: string, asked: object = {}): Promise<string> {
  const webhook_config = { url, progress: true, ...asked }
  const jobId = await scene.add({ taskOptions: { webhook_config } })
  await scene.claim()
  return jobId
}

async function beat(scene: Scene, jobId: string, progress: number): Promise<void> {
  scene.clock.now += 1
  const lengths = { mediaSeconds: 60, processedSeconds: 60 * progress }
  const beat = { stage: 'transcribing', progress, ...lengths }
  await scene.jobs.apply(jobId, { type: 'heartbeat', attempt: 1, beat })
}

const percents = ({ deliveries }: Receiver): unknown[] =>
  deliveries.map(({ body }) => body['progress_percent'])

/** A receiver that answers when it is told to. */
async function startHolding(t: TestContext) {
  const held: { body: Record<string, unknown>; response: ServerResponse; isCut: boolean }[] = []
  const server = createServer((request, response) => {
    void text(request).then((raw) => {
      const one = { body: JSON.parse(raw) as Record<string, unknown>, response, isCut: false }
      held.push(one)
      response.once('close', () => (one.isCut = !response.writableFinished))
    })
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return { held, url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/` }
}

describe('progress webhooks', () => {
  test('have the original’s keys and a signature', async (t) => {
    const [scene, receiver] = [await setUp(t), await startReceiver(t)]
    const jobId = await running(scene, receiver.url, { auth_token: 'mine' })
    await receiver.delivery(0)
    await beat(scene, jobId, 0.255)
    const { body, headers, raw } = await receiver.delivery(1)
    const { timestamp, ...rest } = body
    assert.equal(typeof timestamp, 'string')
    const taskId = scene.job(jobId).ingestionTaskId
    assert.deepEqual(rest, {
      task_id: taskId,
      document_id: null,
      step: 'markdown_conversion',
      status: 'started',
      progress_percent: 25.5,
      error_message: null,
      type: 'job.progress',
      data: {
        job_id: jobId,
        task_id: taskId,
        status: 'processing',
        content_type: 'audio',
        attempt: 1,
        stage: 'transcribing',
        media_seconds: 60,
        processed_seconds: 15.3,
        error_code: null,
      },
    })
    const sent = Object.fromEntries(Object.entries(headers).map(([name, v]) => [name, String(v)]))
    assert.deepEqual(new Webhook(SECRET).verify(raw, sent), body)
    assert.equal(headers.authorization, 'Bearer mine')
    assert.deepEqual(percents(receiver), [0, 25.5])
    const ids = receiver.deliveries.map((one) => one.headers['webhook-id'])
    assert.equal(new Set(ids).size, 2)
  })

  test('report a failed attempt, and the next one', async (t) => {
    const [scene, receiver] = [await setUp(t), await startReceiver(t)]
    const jobId = await running(scene, receiver.url)
    await receiver.delivery(0)
    const failure = { code: 'engine_failed', message: 'out of memory', retryable: true }
    await scene.jobs.apply(jobId, { type: 'fail', attempt: 1, ...failure })
    const { body } = await receiver.delivery(1)
    assert.deepEqual([body['status'], body['error_message']], ['failed', 'out of memory'])
    scene.clock.now += HOUR
    await scene.claim()
    const next = (await receiver.delivery(2)).body
    assert.deepEqual(
      [next['status'], (next['data'] as { attempt: number }).attempt],
      ['started', 2],
    )
  })

  test('send one message at a time, and only the newest state', async (t) => {
    const [scene, { held, url }] = [await setUp(t), await startHolding(t)]
    const jobId = await running(scene, url)
    await until(() => held.length === 1)
    for (let step = 1; step <= 50; step += 1) await beat(scene, jobId, step / 100)
    assert.equal(held.length, 1)
    held[0]!.response.end()
    await until(() => held.length === 2)
    assert.equal(held[1]!.body['progress_percent'], 50)
    held[1]!.response.end()
    await beat(scene, jobId, 0.51)
    await until(() => held.length === 3)
    assert.equal(held[2]!.body['progress_percent'], 51)
  })

  test('wait between two messages', async (t) => {
    const [scene, receiver] = [await setUp(t, HOUR), await startReceiver(t)]
    const jobId = await running(scene, receiver.url)
    await receiver.delivery(0)
    for (const part of [0.1, 0.2, 0.3]) await beat(scene, jobId, part)
    // A job that asks later is not behind the one that waits.
    await running(scene, receiver.url)
    await receiver.delivery(1)
    assert.deepEqual(percents(receiver), [0, 0])
  })

  test('end with the job: the one in flight is cut off, and nothing is kept', async (t) => {
    const [scene, { held, url }] = [await setUp(t), await startHolding(t)]
    const jobId = await running(scene, url)
    await until(() => held.length === 1)
    await beat(scene, jobId, 0.5)
    const result = { digest: 'd', processingSeconds: 1, mediaSeconds: 1, body: null }
    await scene.jobs.apply(jobId, { type: 'succeed', attempt: 1, result })
    await until(() => held[0]!.isCut)
    assert.equal(scene.progress.size, 0)
    const other = await running(scene, url)
    await until(() => held.length === 2)
    assert.equal((held[1]!.body['data'] as { job_id: string }).job_id, other)
  })

  test('share few connections, in turn', async (t) => {
    const [scene, { held, url }] = [await setUp(t), await startHolding(t)]
    for (let job = 0; job < 20; job += 1) await running(scene, url)
    for (let answered = 0; answered < 20; answered += 1) {
      await until(() => held.length > answered)
      assert.ok(held.length - answered <= 4)
      held[answered]!.response.end()
    }
    assert.equal(held.length, 20)
  })

  test('are not tried again, and not at all after 410', async (t) => {
    const [scene, receiver] = [await setUp(t), await startReceiver(t)]
    receiver.answer = { status: 500 }
    const jobId = await running(scene, receiver.url)
    await receiver.delivery(0)
    receiver.answer = { status: 410 }
    await beat(scene, jobId, 0.1)
    await receiver.delivery(1)
    receiver.answer = { status: 204 }
    await beat(scene, jobId, 0.2)
    await running(scene, receiver.url)
    await receiver.delivery(2)
    assert.deepEqual(percents(receiver), [0, 10, 0])
  })

  test('are sent on request only', async (t) => {
    const [scene, receiver] = [await setUp(t), await startReceiver(t)]
    await running(scene, receiver.url, { progress: false })
    await scene.add({ taskOptions: { webhook_url: receiver.url } })
    await scene.claim()
    assert.equal(scene.progress.size, 0)
    const flat = { webhook_url: receiver.url, webhook_progress: 'true' }
    await scene.add({ taskOptions: flat })
    await scene.claim()
    await receiver.delivery(0)
    assert.equal(receiver.deliveries.length, 1)
  })
})

test('the final webhook is the same with progress webhooks and without', async (t) => {
  const run = await startRunning(t, {
    ingestion: { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] },
  })
  const finals: string[] = []
  for (const progress of [true, false]) {
    const receiver = await startReceiver(t)
    const wanted = {
      mode: 'convert',
      source_type: 'file',
      content_type: 'audio',
      document_id: 'doc-1',
      webhook_config: { url: receiver.url, progress },
      metadata: { remote: true },
    }
    const { headers, body } = processForm(wanted, { filename: 'audio.mp3', content: 'ID3' })
    const made = await run.ask('POST', '/process', { headers, raw: body })
    assert.equal(made.status, 200, made.text)
    const [job] = await claim(run)
    if (progress) {
      const first = await receiver.delivery(0)
      assert.deepEqual(
        [first.body['step'], first.body['document_id']],
        ['markdown_conversion', 'doc-1'],
      )
    }
    const json = { success: true, content: 'Hello.', lease_token: job!.lease_token }
    await run.ask('PUT', `/remote-jobs/${job!.job_id}/result`, { json })
    await until(() => receiver.deliveries.some(({ body: one }) => one['status'] === 'SUCCESS'))
    const final = receiver.deliveries.at(-1)!.body
    assert.equal(receiver.deliveries.length, progress ? 2 : 1)
    finals.push(Object.keys(final).sort().join())
    assert.equal(final['type'], 'job.completed')
  }
  assert.equal(finals[0], finals[1])
})
