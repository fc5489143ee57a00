import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { claim, claimedJob, createJob, startRunning, type Answer, type Running } from './running.ts'

const STATUS_KEYS = [
  'job_id',
  'status',
  'worker_id',
  'created_at',
  'started_at',
  'completed_at',
  'error_message',
  'retry_count',
  'estimated_completion',
]
const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/
const INSTANT = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/

async function poll(running: Running, query: Record<string, string> = {}): Promise<Answer> {
  const all = new URLSearchParams({ worker_id: 'worker-1', content_types: 'audio', ...query })
  return await running.ask('GET', `/remote-jobs/poll?${all.toString()}`)
}

async function polledJob(running: Running): Promise<{ id: string; url: string }> {
  await createJob(running)
  const { body } = await poll(running)
  return { id: String(body['job_id']), url: String(body['source_file_url']) }
}

async function status(running: Running, id: string): Promise<Answer['body']> {
  return (await running.ask('GET', `/remote-jobs/${id}/status`)).body
}

async function put(running: Running, id: string, json: unknown): Promise<Answer> {
  return await running.ask('PUT', `/remote-jobs/${id}/result`, { json })
}

/** The fields that a 422 complains of. */
function complaints({ body, text }: Answer): string[] {
  assert.equal(body['code'], 'invalid', text)
  const detail = body['detail'] as { loc: (string | number)[]; msg: string; type: string }[]
  for (const { loc, msg, type } of detail) {
    assert.ok(Array.isArray(loc), text)
    assert.equal(typeof msg, 'string')
    assert.equal(typeof type, 'string')
  }
  return detail.map(({ loc }) => loc.join('.'))
}

describe('POST /remote-jobs/', () => {
  const wanted = (running: Running): Record<string, unknown> => ({
    source_file_path: running.file('talk.mp3'),
    content_type: 'audio',
    ingestion_task_id: 'task-1',
    task_options: { language: 'en' },
    nobody_knows: 'this',
  })

  for (const route of ['/remote-jobs/', '/remote-jobs']) {
    test(`${route} makes a pending job and answers exactly its three keys`, async (t) => {
      const running = await startRunning(t)
      const { status: code, body } = await running.ask('POST', route, { json: wanted(running) })
      assert.equal(code, 200)
      assert.deepEqual(Object.keys(body), ['job_id', 'status', 'created_at'])
      assert.match(String(body['job_id']), UUID)
      assert.equal(body['status'], 'pending')
      assert.match(String(body['created_at']), INSTANT)
    })
  }

  test('is not taken by HEAD, which has no body', async (t) => {
    const running = await startRunning(t)
    const { body } = await running.ask('POST', '/remote-jobs/', { json: wanted(running) })
    const route = '/remote-jobs/poll?worker_id=w1&content_types=audio'
    assert.equal((await running.ask('HEAD', route)).status, 200)
    assert.equal((await poll(running)).body['job_id'], body['job_id'])
  })

  test('without task_options is as with none', async (t) => {
    const running = await startRunning(t)
    const { task_options: _, ...rest } = wanted(running)
    await running.ask('POST', '/remote-jobs/', { json: rest })
    assert.deepEqual((await poll(running)).body['task_options'], {})
  })

  for (const field of ['source_file_path', 'content_type', 'ingestion_task_id']) {
    test(`without ${field}, or with something else than text in it, is a 422 that names it`, async (t) => {
      const running = await startRunning(t)
      const { [field]: _, ...rest } = wanted(running)
      for (const json of [rest, { ...rest, [field]: 5 }, { ...rest, [field]: '' }]) {
        const answer = await running.ask('POST', '/remote-jobs/', { json })
        assert.equal(answer.status, 422)
        assert.deepEqual(complaints(answer), [`body.${field}`])
      }
    })
  }

  test('says of all that is wrong at once, a missing key as missing', async (t) => {
    const running = await startRunning(t)
    const answer = await running.ask('POST', '/remote-jobs/', { json: { task_options: 'none' } })
    assert.deepEqual(complaints(answer).sort(), [
      'body.content_type',
      'body.ingestion_task_id',
      'body.source_file_path',
      'body.task_options',
    ])
    const detail = answer.body['detail'] as { loc: string[]; type: string; msg: string }[]
    const missing = detail.find(({ loc }) => loc[1] === 'content_type')
    assert.deepEqual(missing, {
      loc: ['body', 'content_type'],
      msg: 'Field required',
      type: 'missing',
    })
  })

  for (const raw of ['{"content_type": ', '', 'null', '[]', '"text"', '\u0000']) {
    test(`the body ${JSON.stringify(raw)} is a 422`, async (t) => {
      const running = await startRunning(t)
      const headers = { 'content-type': 'application/json' }
      const answer = await running.ask('POST', '/remote-jobs/', { raw, headers })
      assert.equal(answer.status, 422)
      assert.ok(complaints(answer)[0]!.startsWith('body'))
    })
  }

  test('needs no content-type header', async (t) => {
    const running = await startRunning(t)
    const raw = JSON.stringify(wanted(running))
    const headers = { 'content-type': 'text/plain' }
    assert.equal((await running.ask('POST', '/remote-jobs/', { raw, headers })).status, 200)
  })

  test('for a file that is missing or outside of every root is a 422 that says which roots are allowed', async (t) => {
    const running = await startRunning(t)
    for (const file of [path.join(running.mediaRoot, 'nothing.mp3'), '/etc/hostname', 'talk.mp3']) {
      const json = { ...wanted(running), source_file_path: file }
      const answer = await running.ask('POST', '/remote-jobs/', { json })
      assert.equal(answer.status, 422)
      assert.deepEqual(complaints(answer), ['body.source_file_path'])
      const [problem] = answer.body['detail'] as { msg: string }[]
      assert.ok(problem!.msg.includes(running.mediaRoot), problem!.msg)
    }
  })

  test('of more than 1 MiB is a 413, and the coordinator goes on', async (t) => {
    const running = await startRunning(t)
    const json = { ...wanted(running), task_options: { text: 'x'.repeat(1024 * 1024) } }
    const { status: code, body } = await running.ask('POST', '/remote-jobs/', { json })
    assert.equal(code, 413)
    assert.equal(body['code'], 'too_large')
    assert.match(String(body['detail']), /1 MiB/)
    await createJob(running)
  })
})

describe('GET /remote-jobs/poll', () => {
  for (const types of [
    'content_types=video,audio',
    'content_types=video&content_types=audio',
    'content_types=%20video%20,%20audio%20',
  ]) {
    test(`takes its types as ${types}`, async (t) => {
      const running = await startRunning(t)
      const jobId = await createJob(running)
      const { body } = await running.ask('GET', `/remote-jobs/poll?worker_id=w1&${types}`)
      assert.equal(body['job_id'], jobId)
    })
  }

  test('with nothing to do answers exactly four nulls', async (t) => {
    const running = await startRunning(t)
    const nothing = { job_id: null, source_file_url: null, content_type: null, task_options: null }
    const { status: code, body } = await poll(running)
    assert.equal(code, 200)
    assert.deepEqual(body, nothing)
    assert.deepEqual((await poll(running, { max_jobs: '3' })).body, { ...nothing, jobs: [] })
  })

  test('gives a job under exactly four keys, with a url that needs nothing else', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running, { task_options: { language: 'en' } })
    const { body } = await poll(running)
    const { source_file_url: url, ...rest } = body
    assert.deepEqual(rest, { job_id: id, content_type: 'audio', task_options: { language: 'en' } })
    assert.ok(String(url).startsWith(`/api/v1/remote-jobs/${id}/download?`))
    const answer = await fetch(`${running.url}${String(url)}`)
    assert.equal(answer.status, 200)
    assert.equal(await answer.text(), 'the bytes of talk.mp3')
    assert.equal((await status(running, id))['status'], 'processing')
    assert.equal((await poll(running)).body['job_id'], null)
  })

  test('reads a comma list with spaces, and ignores keys that it does not know', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running, { content_type: 'video' })
    const { body } = await poll(running, { content_types: ' audio , video ', colour: 'blue' })
    assert.equal(body['job_id'], id)
  })

  test('gives only content types that were asked for', async (t) => {
    const running = await startRunning(t)
    await createJob(running, { content_type: 'document' })
    assert.equal((await poll(running, { content_types: 'audio,video' })).body['job_id'], null)
  })

  test('with max_jobs answers every job it claims, the first on top as well', async (t) => {
    const running = await startRunning(t)
    const ids = [await createJob(running), await createJob(running), await createJob(running)]
    const { body } = await poll(running, { max_jobs: '2' })
    const jobs = body['jobs'] as Record<string, unknown>[]
    assert.deepEqual(
      jobs.map((job) => job['job_id']),
      ids.slice(0, 2),
    )
    const { jobs: _, ...top } = body
    assert.deepEqual(top, jobs[0])
    assert.equal((await status(running, ids[2]!))['status'], 'pending')
  })

  for (const [query, field] of [
    [{ worker_id: '' }, 'worker_id'],
    [{ content_types: ' ' }, 'content_types'],
    [{ max_jobs: '0' }, 'max_jobs'],
    [{ max_jobs: 'many' }, 'max_jobs'],
  ] as const) {
    test(`with ${JSON.stringify(query)} is a 422 that names ${field}`, async (t) => {
      const running = await startRunning(t)
      const answer = await poll(running, query)
      assert.equal(answer.status, 422)
      assert.ok(complaints(answer)[0]!.startsWith(`query.${field}`))
    })
  }

  test('without its two keys is a 422 that names both', async (t) => {
    const running = await startRunning(t)
    const answer = await running.ask('GET', '/remote-jobs/poll')
    assert.equal(answer.status, 422)
    assert.deepEqual(complaints(answer), ['query.worker_id', 'query.content_types'])
  })

  test('keeps secrets back', async (t) => {
    const running = await startRunning(t)
    const options = {
      language: 'en',
      webhook_url: 'https://hook',
      webhook_config: { url: 'https://hook', auth_token: 'secret-1' },
      database: { password: 'secret-2' },
      nested: { api_key: 'secret-3', kept: true },
    }
    await createJob(running, { task_options: options })
    const { text, body } = await poll(running)
    assert.deepEqual(body['task_options'], { language: 'en', nested: { kept: true } })
    assert.doesNotMatch(text, /secret|hook/)
  })
})

describe('PUT /remote-jobs/{id}/result of a worker without a lease', () => {
  test('completes the job', async (t) => {
    const running = await startRunning(t)
    const { id } = await polledJob(running)
    const json = { success: true, content: '# A', metadata: { duration: 5 }, processing_time: 2.5 }
    const answer = await put(running, id, { ...json, unknown_key: 1 })
    assert.equal(answer.status, 200)
    assert.deepEqual(answer.body, { status: 'completed', ingestion_continued: false })
    const { body } = await running.ask('GET', `/remote-jobs/${id}/result`)
    assert.deepEqual(body, {
      job_id: id,
      content: '# A',
      metadata: { duration: 5 },
      processing_time: 2.5,
    })
  })

  test('needs success only, and takes null for the rest', async (t) => {
    const running = await startRunning(t)
    const { id } = await polledJob(running)
    const json = { success: true, content: null, metadata: null, error_message: null }
    const answer = await put(running, id, { ...json, processing_time: null })
    assert.equal(answer.body['status'], 'completed')
  })

  test('that is a failure answers pending, keeps the reason and counts the retry', async (t) => {
    const running = await startRunning(t)
    const { id } = await polledJob(running)
    const answer = await put(running, id, { success: false, error_message: 'no luck' })
    assert.deepEqual(answer.body, { status: 'pending', ingestion_continued: false })
    const now = await status(running, id)
    assert.equal(now['status'], 'pending')
    assert.equal(now['error_message'], 'no luck')
    assert.equal(now['retry_count'], 1)
    assert.equal(now['worker_id'], null)
  })

  test('may be sent again; another one is a conflict, and kept where the job’s files are listed', async (t) => {
    const running = await startRunning(t)
    const { id } = await polledJob(running)
    await put(running, id, { success: true, content: 'first' })
    assert.equal((await put(running, id, { success: true, content: 'first' })).status, 200)
    assert.equal((await put(running, id, { success: true, content: 'second' })).status, 409)
    const { body } = await running.ask('GET', `/remote-jobs/${id}/result`)
    assert.equal(body['content'], 'first')
    const route = `/remote-jobs/${id}/artifacts`
    const [late] = (await running.ask('GET', route)).body['artifacts'] as { name: string }[]
    const kept = await running.ask('GET', `${route}/${late?.name}`)
    assert.equal(kept.body['content'], 'second')
  })

  test('is refused for a job that no worker has, and for one that a worker with a lease has', async (t) => {
    const running = await startRunning(t)
    const waiting = await createJob(running)
    assert.equal((await put(running, waiting, { success: true })).status, 409)
    const [leased] = await claim(running)
    const answer = await put(running, leased!.job_id, { success: true })
    assert.equal(answer.status, 409)
    assert.equal(answer.body['code'], 'lease_lost')
    assert.match(String(answer.body['detail']), /lease_token/)
  })

  test('of an unknown job is a 404, of no JSON or without success a 422', async (t) => {
    const running = await startRunning(t)
    const answer = await put(running, randomUUID(), { success: true })
    assert.equal(answer.status, 404)
    assert.equal(answer.body['code'], 'not_found')
    const { id } = await polledJob(running)
    assert.deepEqual(complaints(await put(running, id, {})), ['body.success'])
    const route = `/remote-jobs/${id}/result`
    assert.equal((await running.ask('PUT', route, { raw: '{' })).status, 422)
    assert.equal((await status(running, id))['status'], 'processing')
  })

  test('may be many MiB, but not more than 64', async (t) => {
    const running = await startRunning(t)
    const { id } = await polledJob(running)
    const content = 'x'.repeat(64 * 1024 * 1024)
    const refused = await put(running, id, { success: true, content })
    assert.equal(refused.status, 413)
    assert.match(String(refused.body['detail']), /64 MiB/)
    const taken = await put(running, id, {
      success: true,
      content: content.slice(0, 8 * 1024 * 1024),
    })
    assert.equal(taken.status, 200)
  })
})

describe('GET /remote-jobs/{id}/status', () => {
  const check = async (running: Running, id: string): Promise<Answer['body']> => {
    const body = await status(running, id)
    assert.deepEqual(Object.keys(body).slice(0, STATUS_KEYS.length), STATUS_KEYS)
    assert.equal(body['job_id'], id)
    return body
  }

  test('of a waiting job has nulls where nothing happened yet', async (t) => {
    const running = await startRunning(t)
    const body = await check(running, await createJob(running))
    const nothing = ['worker_id', 'started_at', 'completed_at', 'error_message']
    for (const key of [...nothing, 'estimated_completion', 'stage', 'progress', 'error_code'])
      assert.equal(body[key], null, key)
    assert.equal(body['retry_count'], 0)
    assert.equal(body['queue_position'], 1)
    assert.match(String(body['created_at']), INSTANT)
  })

  test('of a job in work names its worker and when it began, of a completed one when it ended', async (t) => {
    const running = await startRunning(t)
    const { id } = await polledJob(running)
    const body = await check(running, id)
    assert.equal(body['status'], 'processing')
    assert.equal(body['worker_id'], 'worker-1')
    assert.match(String(body['started_at']), INSTANT)
    assert.equal(body['completed_at'], null)
    await put(running, id, { success: true, content: '' })
    const after = await check(running, id)
    assert.equal(after['status'], 'completed')
    assert.equal(after['worker_id'], 'worker-1')
    assert.match(String(after['completed_at']), INSTANT)
  })

  for (const id of [
    'not-a-uuid',
    '00000000-0000-4000-8000-000000000000',
    '%2e%2e%2f%2e%2e%2fetc%2fpasswd',
    '%E0%A4%A',
    '0'.repeat(5_000),
    '__proto__',
  ]) {
    test(`of ${id.slice(0, 40)} is a 404`, async (t) => {
      const running = await startRunning(t)
      const { status: code, body } = await running.ask('GET', `/remote-jobs/${id}/status`)
      assert.equal(code, 404)
      assert.equal(body['code'], 'not_found')
      assert.ok(String(body['detail']).length < 200)
    })
  }
})

describe('every other answer', () => {
  test('a trailing slash changes nothing', async (t) => {
    const running = await startRunning(t)
    const { id, url } = await polledJob(running)
    const [file, token] = url.split('?')
    for (const route of [
      `/remote-jobs/${id}/status/`,
      `/remote-jobs/${id}/`,
      '/health/',
      '/workers/',
    ])
      assert.equal((await running.ask('GET', route)).status, 200, route)
    const download = await fetch(`${running.url}${file}/?${token}`)
    assert.equal(download.status, 200)
    await download.text()
    const query = 'worker_id=w&content_types=audio'
    assert.equal((await running.ask('GET', `/remote-jobs/poll/?${query}`)).status, 200)
    assert.equal(
      (await running.ask('PUT', `/remote-jobs/${id}/result/`, { json: { success: true } })).status,
      200,
    )
  })

  test('an unknown route is 404, and a wrong method 405, with detail and code', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running)
    for (const [method, route, allow] of [
      ['GET', '/nothing', null],
      ['PATCH', `/remote-jobs/${id}`, 'GET, HEAD, DELETE'],
      ['GET', `/remote-jobs/${id}/cancel`, 'POST'],
      ['GET', `/remote-jobs/${id}/result.exe`, null],
      ['POST', '/process/more', null],
    ] as const) {
      const { status: code, headers, body } = await running.ask(method, route)
      assert.equal(code, allow === null ? 404 : 405)
      assert.equal(headers.get('allow'), allow)
      assert.equal(body['code'], allow === null ? 'not_found' : 'method_not_allowed')
      assert.equal(typeof body['detail'], 'string')
    }
  })

  test('TRACE is 405 with the methods that a path takes, and 404 where there is none', async (t) => {
    const running = await startRunning(t)
    const { hostname, port } = new URL(running.url)
    for (const [path, status, allow] of [
      ['/api/v1/remote-jobs', 405, 'GET, HEAD, POST'],
      ['/health', 405, 'GET, HEAD'],
      ['/nothing', 404, undefined],
    ] as const) {
      const asked = request({ hostname, port, path, method: 'TRACE', agent: false })
      asked.end()
      const [answer] = (await once(asked, 'response')) as [IncomingMessage]
      answer.resume()
      assert.equal(answer.statusCode, status)
      assert.equal(answer.headers.allow, allow)
    }
  })
})

describe('the health of a coordinator', () => {
  const unwritable = async (t: TestContext, running: Running): Promise<void> => {
    const { open } = await import('node:fs/promises')
    const handle = await open('/dev/null', 'r')
    const prototype = Object.getPrototypeOf(handle) as { write(): Promise<void> }
    await handle.close()
    const broken = t.mock.method(prototype, 'write', async () => {
      throw Object.assign(new Error('EIO: i/o error, write'), { code: 'EIO' })
    })
    const json = {
      source_file_path: running.file('b.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'b',
    }
    const refused = await running.ask('POST', '/remote-jobs', { json })
    assert.equal(refused.status, 503)
    assert.equal(refused.body['code'], 'unavailable')
    assert.ok(Number(refused.headers.get('retry-after')) > 0)
    broken.mock.restore()
  }

  test('is 200, with how many jobs are in which status', async (t) => {
    const running = await startRunning(t)
    await createJob(running)
    await claimedJob(running, { content_type: 'video' })
    for (const url of [`${running.url}/health`, `${running.url}/api/v1/health`]) {
      const answer = await fetch(url)
      assert.equal(answer.status, 200)
      const body = (await answer.json()) as Record<string, unknown>
      assert.equal(body['status'], 'ok')
      assert.deepEqual(body['jobs'], {
        pending: 1,
        processing: 1,
        completed: 0,
        failed: 0,
        timeout: 0,
        cancelled: 0,
      })
    }
    assert.equal((await fetch(`${running.url}/ready`)).status, 200)
  })

  test('is 503, and so is every change, once the journal could not be written; reading goes on', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running)
    await unwritable(t, running)
    assert.equal((await running.ask('GET', '/health')).status, 503)
    assert.equal((await running.ask('GET', '/ready')).status, 503)
    assert.equal((await poll(running)).status, 503)
    assert.equal((await running.ask('POST', `/remote-jobs/${id}/cancel`)).status, 503)
    assert.equal((await status(running, id))['status'], 'pending')
  })
})
