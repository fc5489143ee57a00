import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import type { IngestionConfig } from '../../coordinator/config.ts'
import { toRecord } from '../../coordinator/storage/record.ts'
import { isAlive } from '../../scripts/process-tree.ts'
import { processAnswer } from '../../shared/wire-ingestion.ts'
import { after, CLAIM, pendingJob } from '../coordinator/example-jobs.ts'
import {
  claim,
  claimedJob,
  createJob,
  NO_INGESTION,
  startRunning,
  until,
  type Answer,
  type Running,
  type Setup,
} from '../coordinator/running.ts'
import { processForm } from './process-client.ts'
import { startReceiver } from './receiver.ts'

/** Writes its arguments, where it is and what it was given: a program such as an operator might have. */
const TELL = `
  const { readFileSync, readdirSync } = require('node:fs')
  const { argv, env } = process
  const secrets = Object.keys(env).filter((name) => name.startsWith('MORAG_'))
  const [input] = argv.slice(1)
  console.log(JSON.stringify({ args: argv.slice(1), text: readFileSync(input, 'utf8'), secrets, all: readdirSync('.') }))`

/** Says who it is in the file that it is given the name of, has a child, and goes on for ever; the second time it ends. */
function hangs(mark: string): string[] {
  const code = `
    const { existsSync, renameSync, writeFileSync } = require('node:fs')
    const [mark] = process.argv.slice(1)
    if (existsSync(mark)) console.log('at last')
    else {
      const child = require('node:child_process').spawn('sleep', ['1000'], { stdio: 'inherit' })
      writeFileSync(mark + '.part', JSON.stringify([process.pid, child.pid]))
      renameSync(mark + '.part', mark)
      setInterval(() => {}, 1000)
    }`
  return [process.execPath, '-e', code, '--', mark, '{input}']
}

async function start(
  t: TestContext,
  ingestion: Partial<IngestionConfig> = {},
  setup: Setup = {},
): Promise<Running> {
  const all = { ...NO_INGESTION, webhookAllow: ['127.0.0.1'], ...ingestion }
  return await startRunning(t, { ...setup, ingestion: all })
}

interface Sent {
  name?: string
  content?: string | Uint8Array
  data?: object
}

async function send(running: Running, { name = 'notes.md', content = '# Notes\n', data }: Sent) {
  const request = { mode: 'convert', content_type: 'document', metadata: { course: 'history' } }
  const form = processForm({ ...request, ...data }, { filename: name, content })
  return await running.ask('POST', '/process', { raw: form.body, headers: form.headers })
}

/** A job that was made of a file; its id. */
async function sent(running: Running, what: Sent): Promise<string> {
  const { status, body, text } = await send(running, what)
  assert.equal(status, 200, text)
  return String(body['job_id'])
}

async function detail(running: Running, jobId: string): Promise<Answer['body']> {
  return (await running.ask('GET', `/remote-jobs/${jobId}`)).body
}

async function isIn(running: Running, jobId: string, ...states: string[]): Promise<Answer['body']> {
  let job: Answer['body'] = {}
  await until(async () => {
    job = await detail(running, jobId)
    return states.includes(String(job['status']))
  })
  return job
}

async function contentOf(running: Running, jobId: string): Promise<string> {
  const job = await isIn(running, jobId, 'completed', 'failed', 'timeout')
  assert.equal(job['status'], 'completed', String(job['error_message']))
  const { body } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
  return String(body['content'])
}

function pidsIn(mark: string): number[] {
  return JSON.parse(readFileSync(mark, 'utf8')) as number[]
}

describe('a file that is not for a remote worker, and no MoRAG server is there for', () => {
  test('passes through when it is Markdown or text, by its name or its type', async (t) => {
    const running = await start(t)
    const files: Sent[] = [
      { name: 'notes.md' },
      { name: 'NOTES.TXT', data: { content_type: null } },
      { name: 'notes', data: { content_type: 'text/markdown; charset=utf-8' } },
      { name: 'notes.markdown', data: { metadata: { remote: true } } },
      { name: 'notes.txt', content: '\ufeff# Notes\n' },
    ]
    for (const file of files) {
      const jobId = await sent(running, file)
      assert.equal(await contentOf(running, jobId), '# Notes\n', file.name)
    }
    const jobId = await sent(running, { content: new Uint8Array([0x66, 0xfc]) })
    const job = await isIn(running, jobId, 'failed')
    assert.equal(job['error_code'], 'unsupported_media')
    assert.match(String(job['error_message']), /notes\.md is not text in UTF-8/)
  })

  test('is answered as a remote one, and its webhook called the same way', async (t) => {
    const receiver = await startReceiver(t)
    const running = await start(t)
    const webhook = { webhook_config: { url: receiver.url }, document_id: 'doc-7' }
    const { body } = await send(running, { data: webhook })
    processAnswer.parse(body)
    assert.match(String(body['message']), /processed by the coordinator itself/)
    assert.equal((body['metadata'] as { remote: boolean }).remote, false)
    const here = (await receiver.delivery(0)).body
    const remote = { ...webhook, content_type: 'audio', metadata: { remote: true } }
    const jobId = await sent(running, { name: 'talk.mp3', data: remote })
    const [job] = await claim(running)
    const json = { success: true, content: '# Notes\n', lease_token: job!.lease_token }
    await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
    const there = (await receiver.delivery(1)).body
    assert.deepEqual(shape(here), shape(there))
    assert.equal(here['task_id'], body['task_id'])
    const { status } = await running.ask('GET', String(body['status_url']).slice('/api/v1'.length))
    assert.equal(status, 200)
  })

  test('goes through the command for its type, with a name of its own ending', async (t) => {
    const command = [process.execPath, '-e', TELL, '--', '{input}', 'in={input}']
    const running = await start(t, { localProcessors: { image: command } })
    const name = `a 'b' $(touch x) \`touch x\`; touch x.JPG`
    const jobId = await sent(running, { name, content: 'pixels', data: { content_type: null } })
    const told = JSON.parse(await contentOf(running, jobId)) as Record<string, unknown>
    const [input, more] = told['args'] as string[]
    assert.equal(path.basename(input!), name)
    assert.equal(more, `in=${input}`)
    assert.deepEqual([told['text'], told['secrets'], told['all']], ['pixels', [], [name]])
    const job = await detail(running, jobId)
    assert.equal(job['worker_id'], 'local')
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
    const { file_name, file_size, processor } = body['metadata'] as Record<string, unknown>
    assert.deepEqual([file_name, file_size, processor], [name, 6, path.basename(process.execPath)])
    await until(() => readdirSync(path.join(running.dataDir, 'local')).length === 0)
  })

  test('is refused when no processor here can do it', async (t) => {
    const running = await start(t, { localProcessors: { image: ['cat', '{input}'] } })
    const refused: Sent[] = [
      { name: 'notes.pdf' },
      { data: { content_type: 'constructor' } },
      { data: { processing_options: { requires: { diarize: true } } } },
    ]
    for (const what of refused) {
      const { status, text } = await send(running, what)
      assert.equal(status, 422, text)
      assert.match(text, /No processor is configured for.*--local-processor.*--morag-url/)
    }
    const { status, text } = await send(running, { data: { source_type: 'url' } })
    assert.equal(status, 400, text)
  })

  test('is handed to no worker, also while it waits', async (t) => {
    const running = await start(t, { localProcessors: { audio: ['tail', '-f', '{input}'] } })
    const audio = { name: 'talk.mp3', data: { content_type: 'audio' } }
    const ids = [await sent(running, audio), await sent(running, audio)]
    for (const id of ids) await isIn(running, id, 'processing')
    const third = await sent(running, audio)
    assert.deepEqual(await claim(running), [])
    // No third at a time, while what another does gets through.
    await contentOf(running, await sent(running, {}))
    assert.equal((await detail(running, third))['status'], 'pending')
    const reassign = { json: { worker_id: 'w1' } }
    const answer = await running.ask('POST', `/remote-jobs/${third}/reassign`, reassign)
    assert.equal(answer.status, 409, answer.text)
    await running.ask('POST', `/remote-jobs/${ids[0]}/cancel`)
    await isIn(running, third, 'processing')
  })
})

describe('a command', () => {
  test('that fails ends its job, and the webhook has the reason', async (t) => {
    const receiver = await startReceiver(t)
    const code = `console.error('no such page'); process.exit(1)`
    const command = [process.execPath, '-e', code, '--', '{input}']
    const running = await start(t, { localProcessors: { document: command } }, { maxRetries: 0 })
    const data = { webhook_config: { url: receiver.url } }
    await sent(running, { name: 'a.pdf', data })
    const { body } = await receiver.delivery(0)
    const result = body['result'] as Record<string, unknown>
    assert.deepEqual([body['status'], result['error_code']], ['FAILURE', 'engine_failed'])
    assert.match(String(result['error_message']), /ended with exit code 1: no such page/)
  })

  test('that fails is tried again as an attempt of a worker is', async (t) => {
    const command = [process.execPath, '-e', 'process.exit(1)', '--', '{input}']
    const running = await start(t, { localProcessors: { document: command } })
    const jobId = await sent(running, { name: 'a.pdf' })
    await until(async () => (await detail(running, jobId))['retry_count'] === 1)
    const job = await detail(running, jobId)
    assert.equal(job['status'], 'pending')
    assert.ok(Date.parse(String(job['available_at'])) > Date.now())
  })

  test('that is missing fails its job for good', async (t) => {
    const running = await start(t, { localProcessors: { document: ['no-such-one', '{input}'] } })
    const job = await isIn(running, await sent(running, { name: 'a.pdf' }), 'failed')
    assert.equal(job['error_code'], 'engine_missing')
    assert.match(String(job['error_message']), /'no-such-one'.*--local-processor/)
  })

  for (const [what, status] of [
    ['is over when its time is', 'timeout'],
    ['is over when its job is cancelled', 'cancelled'],
  ] as const) {
    test(`that ${what}, with all that it has started`, async (t) => {
      const mark = path.join((await start(t)).root, 'mark')
      const running = await start(t, { localProcessors: { document: hangs(mark) } })
      const options = status === 'timeout' ? { timeout_seconds: 0.5 } : {}
      const jobId = await sent(running, { name: 'a.pdf', data: { processing_options: options } })
      await until(() => existsSync(mark))
      if (status === 'cancelled') await running.ask('POST', `/remote-jobs/${jobId}/cancel`)
      await isIn(running, jobId, status)
      await until(() => !pidsIn(mark).some(isAlive))
    })
  }

  test('that runs when the coordinator stops is ended, and done anew by the next', async (t) => {
    const first = await start(t)
    const mark = path.join(first.root, 'mark')
    const ingestion = { localProcessors: { document: hangs(mark) } }
    const running = await start(t, ingestion, {
      root: first.root,
      dataDir: path.join(first.root, 'b'),
    })
    const jobId = await sent(running, { name: 'a.pdf' })
    await until(() => existsSync(mark))
    await running.stop()
    assert.ok(!pidsIn(mark).some(isAlive))
    const again = await start(t, ingestion, { root: first.root, dataDir: running.dataDir })
    assert.equal(await contentOf(again, jobId), 'at last\n')
    const { attempts } = (await detail(again, jobId)) as { attempts: { outcome: string }[] }
    assert.deepEqual(
      attempts.map(({ outcome }) => outcome),
      ['released', 'completed'],
    )
  })
})

test('what the coordinator had in work when it was killed is done anew', async (t) => {
  const first = await start(t)
  const local = { ...CLAIM, workerId: 'local', claimId: null, leased: false }
  const file = first.file('notes.md', '# Notes')
  const source = { ...pendingJob().source, path: file, filename: 'notes.md', sizeBytes: 7 }
  const job = after(pendingJob({ contentType: 'document', source }), local)
  await first.stop()
  const folder = path.join(first.dataDir, 'processing')
  writeFileSync(path.join(folder, `${job.jobId}.json`), JSON.stringify(toRecord(job)))
  mkdirSync(path.join(first.dataDir, 'local', 'left'), { recursive: true })
  const again = await start(t, { fallbackAfterMs: 3_600_000 }, { root: first.root })
  assert.equal(await contentOf(again, job.jobId), '# Notes')
  assert.ok(!existsSync(path.join(first.dataDir, 'local', 'left')))
})

test('a job for which no processor here is left says so and fails', async (t) => {
  const first = await start(t, { localProcessors: { document: ['false', '{input}'] } })
  const jobId = await sent(first, { name: 'a.pdf' })
  await until(async () => (await detail(first, jobId))['retry_count'] === 1)
  await first.stop()
  const file = path.join(first.dataDir, 'pending', `${jobId}.json`)
  const record = JSON.parse(readFileSync(file, 'utf8')) as object
  writeFileSync(file, JSON.stringify({ ...record, available_at: new Date(0).toISOString() }))
  const again = await start(t, {}, { root: first.root })
  const job = await isIn(again, jobId, 'failed')
  assert.match(
    String(job['error_message']),
    /No processor is configured for content type 'document' any more/,
  )
})

describe('the name of the coordinator’s own worker', () => {
  test('is no other’s', async (t) => {
    const running = await start(t)
    const heartbeat = { state: 'idle', version: '1', slots: 1, jobs: [] }
    const jobId = await createJob(running)
    const requests: [string, string, object?][] = [
      ['GET', '/remote-jobs/poll?worker_id=local&content_types=audio'],
      [
        'POST',
        '/remote-jobs/claim',
        { worker_id: ' local ', content_types: ['audio'], claim_id: '1' },
      ],
      ['POST', '/workers/local/heartbeat', heartbeat],
      ['POST', `/remote-jobs/${jobId}/reassign`, { worker_id: 'local' }],
    ]
    for (const [method, route, json] of requests) {
      const { status, text } = await running.ask(method, route, json === undefined ? {} : { json })
      assert.equal(status, 422, text)
      assert.match(text, /'local' is the coordinator itself: give the worker another name/)
    }
    assert.deepEqual((await running.ask('GET', '/workers')).body['workers'], [])
  })

  test('stands for an attempt that no worker can end or fetch the source of', async (t) => {
    const mark = path.join((await start(t)).root, 'mark')
    const running = await start(t, { localProcessors: { document: hangs(mark) } })
    const jobId = await sent(running, { name: 'a.pdf' })
    await until(() => existsSync(mark))
    const json = { success: true, content: 'not so' }
    const { status } = await running.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
    assert.equal(status, 409)
    assert.equal((await running.ask('GET', `/remote-jobs/${jobId}/download`)).status, 403)
  })
})

describe('a job whose file is no longer there', () => {
  for (const verb of ['retry', 'reassign']) {
    test(`is not brought back by ${verb}`, async (t) => {
      const running = await start(t)
      const remote = { content_type: 'audio', metadata: { remote: true } }
      const upload = await sent(running, { name: 'talk.mp3', data: remote })
      await running.ask('POST', `/remote-jobs/${upload}/cancel`)
      writeFileSync(path.join(running.dataDir, 'sources', upload, 'source'), 'another')
      const changed = await running.ask('POST', `/remote-jobs/${upload}/${verb}`)
      assert.deepEqual([changed.status, changed.body['code']], [409, 'source_changed'])
      rmSync(path.join(running.dataDir, 'sources', upload), { recursive: true })
      const { job_id: named } = await claimedJob(running, {
        source_file_path: running.file('gone.mp3'),
      })
      rmSync(path.join(running.mediaRoot, 'gone.mp3'))
      for (const [jobId, why] of [
        [upload, /upload .* no longer kept \(--remove-sources\): send it again/],
        [named, /source file .* is gone/],
      ] as const) {
        const { status, body } = await running.ask('POST', `/remote-jobs/${jobId}/${verb}`)
        if (verb === 'retry' && jobId === named) continue
        assert.deepEqual([status, body['code']], [404, 'source_missing'])
        assert.match(String(body['detail']), why)
      }
      assert.equal((await detail(running, upload))['status'], 'cancelled')
    })
  }
})

/** Which keys there are, at every depth but in what is the worker's own. */
function shape(value: unknown): unknown {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return typeof value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, key === 'metadata' ? 'own' : shape(one)]),
  )
}
