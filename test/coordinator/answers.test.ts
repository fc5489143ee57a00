import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { readJson, writeJson } from '../../shared/exact-json.ts'
import { startReceiver } from '../ingestion/receiver.ts'
import {
  claim,
  claimedJob,
  createJob,
  NO_INGESTION,
  startRunning,
  type Running,
} from './running.ts'

const BIG = '12345678901234567890'

/** Bodies of a result as Python's programs write them, and how long the work took by them. */
const RESULTS: [name: string, success: string, rest: string, seconds: number | null][] = [
  ['success as a text', '"true"', '', null],
  ['success as Python writes it', '"True"', '', null],
  ['success as a number', '1', '', null],
  ['the time as a text', 'true', ', "processing_time": "1.5"', 1.5],
  ['the time as an empty text', 'true', ', "processing_time": ""', null],
  ['a time below zero', 'true', ', "processing_time": -3', null],
  ['a time that is no number', 'true', ', "processing_time": NaN', null],
  ['a time without an end', 'true', ', "processing_time": Infinity', null],
  ['a time that nothing takes', 'true', ', "processing_time": 1e999', null],
]

describe('a result is taken', () => {
  for (const [name, success, rest, seconds] of RESULTS) {
    test(`with ${name}`, async (t) => {
      const running = await startRunning(t)
      const jobId = await polled(running)
      const raw = `{"success": ${success}, "content": "Hello."${rest}}`
      const answer = await running.ask('PUT', `/remote-jobs/${jobId}/result`, { raw })
      assert.equal(answer.status, 200, answer.text)
      assert.equal(answer.body['status'], 'completed')
      const { body } = await running.ask('GET', `/remote-jobs/${jobId}/result`)
      assert.equal(body['content'], 'Hello.')
      assert.equal(body['processing_time'], seconds)
    })
  }

  test('as a failure with success as a text', async (t) => {
    const running = await startRunning(t)
    const jobId = await polled(running)
    const raw = '{"success": "False", "error_message": "No sound.", "error_code": "no_audio"}'
    const { body } = await running.ask('PUT', `/remote-jobs/${jobId}/result`, { raw })
    assert.equal(body['status'], 'failed')
  })

  // What is not longer than 4 KiB lies in the job's file; above 64 KiB another thread reads it.
  for (const [size, padding] of [
    ['small', 0],
    ['of a file of its own', 10_000],
    ['large', 100_000],
  ] as const) {
    test(`with integers above 2^53 and without NaN in its metadata (${size})`, async (t) => {
      const running = await startRunning(t)
      const jobId = await polled(running)
      const metadata = `{"id": ${BIG}, "low": -${BIG}, "said": "${BIG}, NaN", "odds": [NaN, -Infinity, 0.1234567890123456789], "pad": "${'x'.repeat(padding)}"}`
      const raw = `{"success": true, "content": "Hello.", "metadata": ${metadata}}`
      const answer = await running.ask('PUT', `/remote-jobs/${jobId}/result`, { raw })
      assert.equal(answer.status, 200, answer.text)
      const routes = [
        `/remote-jobs/${jobId}/result`,
        `/remote-jobs/${jobId}/result.json`,
        '/status/task-1',
      ]
      for (const route of routes) {
        const { text, body } = await running.ask('GET', route)
        assert.match(text, new RegExp(`"id": ?${BIG},\\s*"low": ?-${BIG},`), route)
        const { metadata: whole, result, ...own } = body as Record<string, Record<string, unknown>>
        const read = whole ?? result?.['metadata'] ?? own
        assert.deepEqual((read as { said: string }).said, `${BIG}, NaN`)
        assert.deepEqual((read as { odds: unknown[] }).odds, [null, null, 0.12345678901234568])
      }
    })
  }
})

test('integers above 2^53 reach workers and webhooks as they came, over a restart', async (t) => {
  const receiver = await startReceiver(t)
  const ingestion = { ...NO_INGESTION, webhookAllow: ['127.0.0.1'] }
  const before = await startRunning(t, { ingestion })
  const file = JSON.stringify(before.file('talk.mp3'))
  const options = `{"user_id": ${BIG}, "webhook_url": ${JSON.stringify(receiver.url)}}`
  const raw = `{"source_file_path": ${file}, "content_type": "audio", "ingestion_task_id": "t", "task_options": ${options}}`
  const created = await before.ask('POST', '/remote-jobs/', { raw })
  assert.equal(created.status, 200, created.text)
  await before.stop()
  const running = await startRunning(t, { ingestion, root: before.root })
  const { text, body } = await running.ask(
    'GET',
    '/remote-jobs/poll?worker_id=w&content_types=audio',
  )
  assert.match(text, new RegExp(`"user_id":${BIG}\\b`))
  await running.ask('PUT', `/remote-jobs/${String(body['job_id'])}/result`, {
    raw: `{"success": true, "content": "x", "metadata": {"id": ${BIG}}}`,
  })
  assert.match((await receiver.delivery(0)).raw, new RegExp(`"id":${BIG}\\b`))
})

describe('a refusal names the field of the request', () => {
  for (const [name, method, route, json, loc] of [
    [
      'of a job without its file',
      'POST',
      '/remote-jobs/',
      { content_type: 'audio', ingestion_task_id: 'x' },
      'body.source_file_path',
    ],
    [
      'of a file that is not there',
      'POST',
      '/remote-jobs/',
      { source_file_path: '/tmp/nobody.mp3', content_type: 'audio', ingestion_task_id: 'x' },
      'body.source_file_path',
    ],
    [
      'of a webhook',
      'POST',
      '/remote-jobs/',
      { task_options: { webhook_url: 'ftp://x' } },
      'body.task_options.webhook_url',
    ],
    [
      'of a webhook of its own object',
      'POST',
      '/remote-jobs/',
      { task_options: { webhook_config: { url: 'http://a.example', secret: 'x' } } },
      'body.task_options.webhook_config.secret',
    ],
    [
      'of what is required',
      'POST',
      '/remote-jobs/',
      { task_options: { requires: { words: 1 } } },
      'body.task_options.requires.words',
    ],
    [
      'of success that is neither',
      'PUT',
      '/remote-jobs/JOB/result',
      { success: 'perhaps' },
      'body.success',
    ],
    [
      'of a result without success',
      'PUT',
      '/remote-jobs/JOB/result',
      { content: 'x' },
      'body.success',
    ],
    [
      'of a poll without a name',
      'GET',
      '/remote-jobs/poll?content_types=audio',
      undefined,
      'query.worker_id',
    ],
    ['of text that is no JSON', 'PUT', '/remote-jobs/JOB/result', undefined, 'body'],
  ] as const) {
    test(name, async (t) => {
      const running = await startRunning(t)
      const { job_id } = await claimedJob(running)
      const isWhole = json === undefined || !('task_options' in json)
      const whole = {
        source_file_path: running.file('a.mp3'),
        content_type: 'audio',
        ingestion_task_id: 'x',
      }
      const sent =
        json === undefined
          ? method === 'GET'
            ? {}
            : { raw: '{"success": Nan}' }
          : { json: isWhole ? json : { ...whole, ...json } }
      const { status, body } = await running.ask(method, route.replace('JOB', job_id), sent)
      assert.equal(status, 422)
      const [problem] = body['detail'] as { loc: string[]; msg: string; type: string }[]
      assert.equal(problem!.loc.join('.'), loc)
      assert.ok(problem!.msg.length > 5 && problem!.type.length > 2)
    })
  }

  test('and how to mend it where the original only names a file', async (t) => {
    const running = await startRunning(t)
    await assert.rejects(
      createJob(running, { source_file_path: '/tmp/test_audio.mp3' }),
      /422 .*make the file first, also for the self-tests of the original/,
    )
  })
})

describe('a method that a path does not take', () => {
  for (const [method, route, allow] of [
    ['PUT', '/remote-jobs', 'GET, HEAD, POST'],
    ['POST', '/remote-jobs/x/result', 'GET, HEAD, PUT'],
    ['POST', '/remote-jobs/poll', 'GET, HEAD, DELETE'],
    ['GET', '/process', 'POST'],
    ['PUT', '/ingest/file', 'POST, DELETE'],
    ['PATCH', '/ingest/x', 'DELETE'],
    ['POST', '/status/x', 'GET, HEAD'],
    ['DELETE', '/workers', 'GET, HEAD'],
    ['PUT', '/health', 'GET, HEAD'],
  ] as const) {
    test(`${method} ${route} is 405 and says what it takes`, async (t) => {
      const running = await startRunning(t)
      const { status, headers, body } = await running.ask(method, route)
      assert.deepEqual([status, body['code']], [405, 'method_not_allowed'])
      assert.equal(headers.get('allow'), allow)
    })
  }
})

test('JSON is read and written as it was, but for what is no JSON', () => {
  for (const [text, again = text] of [
    [
      `[${BIG},-${BIG},"${BIG}",1e400,9007199254740991,9007199254740993]`,
      `[${BIG},-${BIG},"${BIG}",null,9007199254740991,9007199254740993]`,
    ],
    ['{"a\\"NaN":"\\\\","b":NaN,"c":-Infinity}', '{"a\\"NaN":"\\\\","b":null,"c":null}'],
    ['"1234567890123456789 NaN"'],
    ['[0.12345678901234567,1.2345678901234567e21]', '[0.12345678901234566,1.2345678901234568e+21]'],
  ] as const)
    assert.equal(writeJson(readJson(text)), again)
  for (const broken of [
    'NaNa',
    '[01234567890123456789]',
    '{"a": nan}',
    '[1234567890123456789',
    '"NaN',
  ])
    assert.throws(() => readJson(broken), SyntaxError)
})

/** A job that a worker of the original protocol has. */
async function polled(running: Running): Promise<string> {
  const jobId = await createJob(running)
  await running.ask('GET', '/remote-jobs/poll?worker_id=w&content_types=audio')
  assert.equal((await claim(running)).length, 0)
  return jobId
}
