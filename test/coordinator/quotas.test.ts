import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { MoragError } from '../../shared/client/error.ts'
import { findToken, withQuota, withToken } from '../../coordinator/access/token-changes.ts'
import type { Role } from '../../coordinator/access/roles.ts'
import { Quotas, refusalOf } from '../../coordinator/usage/quotas.ts'
import { DAY, HOUR, MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { isTransient, Refusal } from '../../shared/refusal.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { assembled } from './assembled.ts'
import { newJobId, NOON, pendingJob } from './example-jobs.ts'
import { claim, startRunning, type Answer, type Running, tokensIn } from './running.ts'

const NONE = { maxJobs: null, maxMediaHoursPerDay: null }

describe('a quota', () => {
  test('refuses at exactly its limit, and says until when', () => {
    const quota = { maxJobs: 2, maxMediaHoursPerDay: 1.5 }
    assert.equal(refusalOf(quota, { open: 1, mediaMs: 1.5 * HOUR - 1 }, NOON), null)
    assert.equal(refusalOf(NONE, { open: 1e6, mediaMs: 1e12 }, NOON), null)
    const jobs = refusalOf(quota, { open: 2, mediaMs: 0 }, NOON)
    assert.equal(jobs?.code, 'quota_exceeded')
    assert.equal(jobs.retryAfterSeconds, 30)
    assert.equal(
      jobs.message,
      'This token has 2 jobs that wait or run, and may have 2 (--max-jobs): wait until one has ended.',
    )
    const media = refusalOf(quota, { open: 0, mediaMs: 1.5 * HOUR }, NOON)
    assert.equal(media?.retryAfterSeconds, 12 * 3_600)
    assert.equal(
      media.message,
      'This token has submitted 1.5 hours of recordings today, and may submit 1.5 a day (--max-media-hours-per-day): submit more from 2026-01-03 00:00 UTC on.',
    )
  })

  test('of media begins anew with the UTC day', async () => {
    let now = NOON
    const mediaMsOf = async (_: string, day: string) => (day === '2026-01-02' ? HOUR : 0)
    const quotas = new Quotas({ openOf: async () => 0 }, { mediaMsOf }, () => now)
    const holder = { submittedBy: 't_1', quota: { ...NONE, maxMediaHoursPerDay: 1 } }
    await assert.rejects(quotas.check(holder), { code: 'quota_exceeded' })
    now += 12 * HOUR - 1
    await assert.rejects(quotas.check(holder), { code: 'quota_exceeded' })
    now += 1
    await quotas.check(holder)
  })

  test('of media is not waited for by our own programs, one of jobs is', () => {
    const refused = (retryAfterSeconds: number): boolean =>
      isTransient(new Refusal(429, 'quota_exceeded', 'x', { retryAfterSeconds }))
    assert.deepEqual([refused(30), refused(300)], [true, false])
    const failed = (retryAfterSeconds: number): boolean =>
      new MoragError('quota_exceeded', 'x', { status: 429, retryAfterSeconds }).retryable
    assert.deepEqual([failed(30), failed(300)], [true, false])
  })

  test('of jobs counts those that wait, run, or are being created', async (t) => {
    const { add, claim, jobs, jobStore } = await assembled(t)
    const quotas = new Quotas(jobStore, { mediaMsOf: async () => 0 }, () => NOON)
    const holder = { submittedBy: 't_1', quota: { ...NONE, maxJobs: 3 } }
    const isFull = async (): Promise<boolean> =>
      await quotas.check(holder).then(
        () => false,
        (error: unknown) => error instanceof AppError,
      )
    await add({ submittedBy: 't_1', createdAt: NOON - 1 })
    const jobId = newJobId()
    const endFirst = await quotas.begin(holder, jobId)
    const endSecond = await quotas.begin(holder, 'another')
    await assert.rejects(quotas.begin(holder, 'a third'), { code: 'quota_exceeded' })
    endSecond()
    assert.ok(!(await isFull()))
    const both = [quotas.begin(holder, 'another'), quotas.begin(holder, 'a third')]
    const settled = await Promise.allSettled(both)
    assert.deepEqual(
      settled.map(({ status }) => status),
      ['fulfilled', 'rejected'],
    )
    // Once it is there, it counts as itself, not twice.
    await jobs.create(jobId, async () => pendingJob({ jobId, submittedBy: 't_1' }))
    assert.ok(await isFull())
    endFirst()
    assert.ok(await isFull())
    await claim()
    assert.ok(await isFull())
    await jobs.apply(jobId, { type: 'cancel' })
    assert.ok(!(await isFull()))
    await quotas.check({ ...holder, submittedBy: 't_2' })
    await quotas.check({ submittedBy: null })
  })

  test('belongs to tokens that submit, and stays with a rotation', async () => {
    const wish = { name: 'w', types: null, lifeMs: null }
    const issued = { id: 't_0000000000000000', sha256: '0'.repeat(64) }
    const make = (role: Role) => withToken([], { ...wish, role, quota: { maxJobs: 1 } }, issued, 1)
    for (const role of ['worker', 'read', 'register'] as const) assert.throws(() => make(role))
    const [token] = make('submit')
    assert.deepEqual(token?.quota, { ...NONE, maxJobs: 1 })
    const [changed] = withQuota([token], token, { maxMediaHoursPerDay: 2 })
    assert.deepEqual(changed?.quota, { maxJobs: 1, maxMediaHoursPerDay: 2 })
    const tokens = tokensIn(path.join(tempFolder(), 'data'), () => NOON)
    await tokens.create({ ...wish, role: 'submit', quota: { maxJobs: 1 } })
    await tokens.setQuota('w', { maxJobs: 5 })
    await tokens.rotate('w', MINUTE)
    assert.deepEqual(findToken(tokens.all(), 'w', NOON).quota, { ...NONE, maxJobs: 5 })
  })
})

/** A coordinator with the tokens `site` (submit) and `boss` (admin). */
async function scene(t: TestContext, quota: object = {}, of: Partial<Running> = {}) {
  const running = await startRunning(t, of)
  const tokens = running.tokens
  const [site, boss, gpu] = await Promise.all(
    (['submit', 'admin', 'worker'] as const).map(async (role) => {
      const more = role === 'submit' ? { quota } : {}
      const { token } = await tokens.create({
        role,
        name: role,
        types: null,
        lifeMs: null,
        ...more,
      })
      return { authorization: `Bearer ${token}` }
    }),
  )
  return { running, tokens, site: site!, boss: boss!, gpu: gpu! }
}

type Scene = Awaited<ReturnType<typeof scene>>

function submit({ running, site: headers }: Scene): Promise<Answer> {
  const json = {
    source_file_path: running.file('talk.mp3'),
    content_type: 'audio',
    ingestion_task_id: 'task',
  }
  return running.ask('POST', '/remote-jobs', { json, headers })
}

/** Every way to make a job. */
async function ways({ running, site: headers }: Scene): Promise<Record<string, Response>> {
  const { url } = running
  const post = async (route: string, fields: Record<string, string | Blob>): Promise<Response> => {
    const body = new FormData()
    for (const [name, value] of Object.entries(fields)) body.set(name, value)
    return await fetch(url + route, { method: 'POST', headers, body })
  }
  const json = async (fields: object): Promise<Response> =>
    await fetch(`${url}/api/v1/remote-jobs`, {
      method: 'POST',
      headers: { ...headers, 'content-type': 'application/json' },
      body: JSON.stringify(fields),
    })
  const file = new File(['speech'], 'talk.mp3')
  const request = JSON.stringify({ content_type: 'audio', metadata: { remote: true } })
  const from = JSON.stringify({
    source_url: 'http://127.0.0.1:9/talk.mp3',
    content_type: 'audio',
    metadata: { remote: true },
  })
  const prefer = { model: 'whisper-1', file }
  return {
    upload: await post('/api/v1/remote-jobs', { content_type: 'audio', file }),
    path: await json({
      source_file_path: running.file('talk.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'task',
    }),
    url: await json({ source_url: 'http://127.0.0.1:9/talk.mp3', content_type: 'audio' }),
    process: await post('/api/v1/process', { request_data: request, file }),
    'process url': await post('/api/v1/process', { request_data: from }),
    ingest: await post('/api/v1/ingest/file', { remote: 'true', source_type: 'audio', file }),
    transcriptions: await post('/v1/audio/transcriptions', prefer),
    translations: await post('/v1/audio/translations', prefer),
    asr: await post('/asr', { audio_file: file }),
    'detect-language': await post('/detect-language', { audio_file: file }),
  }
}

describe('a coordinator with quotas', () => {
  test('refuses each way of making a job beyond them, in the words of each API', async (t) => {
    const all = await scene(t, { maxJobs: 1 })
    const { running, tokens } = all
    assert.equal((await submit(all)).status, 200)
    for (const [name, answer] of Object.entries(await ways(all))) {
      assert.equal(answer.status, 429, name)
      assert.equal(answer.headers.get('retry-after'), '30', name)
      const body = (await answer.json()) as { detail?: string; code?: string; error?: object }
      const sentence = /^This token has 1 jobs that wait or run, and may have 1 /
      if (body.error !== undefined) {
        const { message, ...rest } = body.error as { message: string }
        assert.match(message, sentence)
        assert.deepEqual(rest, {
          type: 'rate_limit_error',
          param: null,
          code: 'insufficient_quota',
        })
      } else {
        assert.match(body.detail ?? '', sentence, name)
        assert.equal(body.code, 'quota_exceeded', name)
      }
    }
    const { body } = await running.ask('GET', '/remote-jobs', { headers: all.boss })
    assert.equal((body['jobs'] as object[]).length, 1)
    // Lifted while it runs.
    await tokens.setQuota('submit', { maxJobs: null })
    assert.equal((await submit(all)).status, 200)
  })

  test('lets exactly as many through when all come at once, and a repetition always', async (t) => {
    const all = await scene(t, { maxJobs: 3 })
    const key = { 'idempotency-key': 'again' }
    const upload = async (): Promise<unknown> => {
      const body = new FormData()
      body.set('content_type', 'audio')
      body.set('file', new File(['speech'], 'talk.mp3'))
      const headers = { ...all.site, ...key }
      const url = `${all.running.url}/api/v1/remote-jobs`
      const answer = await fetch(url, { method: 'POST', headers, body })
      return ((await answer.json()) as { job_id: string }).job_id
    }
    const first = await upload()
    const answers = await Promise.all(Array.from({ length: 8 }, () => submit(all)))
    assert.equal(answers.filter(({ status }) => status === 200).length, 2)
    assert.equal(answers.filter(({ status }) => status === 429).length, 6)
    assert.equal(await upload(), first)
    const cancelled = `/remote-jobs/${String(first)}/cancel`
    assert.equal((await all.running.ask('POST', cancelled, { headers: all.site })).status, 200)
    assert.equal((await submit(all)).status, 200)
    assert.equal((await submit(all)).status, 429)
  })

  test('counts the recordings of the day as agents report them, also of jobs that were removed', async (t) => {
    const all = await scene(t, { maxMediaHoursPerDay: 0.5 })
    const { running, boss, gpu } = all
    const ask = async (method: string, route: string, json?: object): Promise<Answer> => {
      const headers = method === 'DELETE' || method === 'GET' ? boss : gpu
      const answer = await running.ask(method, route, { json, headers })
      assert.equal(answer.status, 200, answer.text)
      return answer
    }
    // Nothing is known of them yet.
    for (let count = 0; count < 2; count += 1) assert.equal((await submit(all)).status, 200)
    const claimed = await running.ask('POST', '/remote-jobs/claim', {
      json: { worker_id: 'w1', content_types: ['audio'], claim_id: 'c', max_jobs: 1 },
      headers: gpu,
    })
    const [job] = claimed.body['jobs'] as Awaited<ReturnType<typeof claim>>
    const { job_id, lease_token } = job!
    const beat = { job_id, lease_token, stage: 'transcribing', progress: 0.1, media_seconds: 1_800 }
    const news = { state: 'running', version: '1', slots: 1, jobs: [beat] }
    await ask('POST', '/workers/w1/heartbeat', news)
    const refused = await submit(all)
    assert.deepEqual([refused.status, refused.body['code']], [429, 'quota_exceeded'])
    assert.match(
      String(refused.body['detail']),
      /0\.5 hours .* from \d{4}-\d\d-\d\d 00:00 UTC on\.$/,
    )
    const left = Number(refused.headers.get('retry-after'))
    assert.ok(left > 0 && left <= DAY / 1_000)
    const done = { success: true, content: 'x', metadata: { duration: 1_800 }, lease_token }
    await ask('PUT', `/remote-jobs/${job_id}/result`, done)
    assert.equal((await submit(all)).status, 429)
    await ask('DELETE', `/remote-jobs/${job_id}`)
    assert.equal((await submit(all)).status, 429)
    await running.stop()
    const again = { ...all, running: await startRunning(t, { root: running.root }) }
    assert.equal((await submit(again)).status, 429)
  })
})

describe('GET /usage', () => {
  test('shows a submitter its own rows, and others all, by day or token, as JSON or CSV', async (t) => {
    const all = await scene(t)
    const { running, site, boss, gpu } = all
    assert.equal((await submit(all)).status, 200)
    assert.equal((await submit({ ...all, site: boss })).status, 200)
    const usage = async (query: string, headers: Record<string, string>): Promise<Answer> =>
      await running.ask('GET', `/usage${query}`, { headers })
    const day = new Date().toISOString().slice(0, 10)
    const counts = { jobs: 1, completed: 0, failed: 0, cancelled: 0 }
    const row = { ...counts, media_seconds: 0, work_seconds: 0 }
    const named = ({ body }: Answer) =>
      (body['rows'] as { token_id: string }[]).map((one) => {
        const { token_id: _, ...rest } = one
        return rest
      })
    assert.deepEqual(named(await usage('', site)), [{ day, name: 'submit', ...row }])
    assert.deepEqual(named(await usage('?by=token', boss)), [
      { day: null, name: 'admin', ...row },
      { day: null, name: 'submit', ...row },
    ])
    assert.equal((await usage('', boss)).body['to'], day)
    assert.deepEqual(named(await usage('?from=2020-01-01&to=2020-01-31', boss)), [])
    const csv = await usage('?format=csv', site)
    assert.match(csv.headers.get('content-type') ?? '', /^text\/csv/)
    assert.match(csv.headers.get('content-disposition') ?? '', /^attachment; filename="usage-/)
    assert.match(
      csv.text,
      /^day,token_id,.*\r\n\d{4}-\d\d-\d\d,t_[0-9a-f]{16},submit,1,0,0,0,0,0\r\n$/,
    )
    assert.equal((await usage('', gpu)).status, 403)
    for (const wrong of [
      '?from=today',
      '?from=2026-02-01&to=2026-01-01',
      '?from=2020-01-01',
      '?by=x',
    ])
      assert.equal((await usage(wrong, boss)).status, 422, wrong)
  })
})
