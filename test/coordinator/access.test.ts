import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { describe, test, type TestContext } from 'node:test'
import { Hono } from 'hono'
import { allows, ROLES, type Access, type Role } from '../../coordinator/access/roles.ts'
import type { NewToken } from '../../coordinator/access/tokens.ts'
import { accessOf } from '../../coordinator/openapi/describe-route.ts'
import { appRoutes } from './app-routes.ts'
import {
  NO_INGESTION,
  startRunning,
  until,
  type Answer,
  type Claimed,
  type Running,
  type Setup,
  tokensIn,
  notInFiles,
} from './running.ts'

const KEY = 'a key that is as long as those that openssl makes'
const ID = '00000000-0000-4000-8000-000000000000'
const BEHIND = { ...NO_INGESTION, moragUrl: 'http://127.0.0.1:9' }

/** Somebody with a token of their own. */
class Holder {
  readonly #running: Running
  readonly id: string
  token: string

  constructor(running: Running, { token, record }: NewToken) {
    this.#running = running
    this.id = record.id
    this.token = token
  }

  async ask(
    method: string,
    route: string,
    json?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const all = { authorization: `Bearer ${this.token}`, ...headers }
    return await this.#running.ask(method, route, { json, headers: all })
  }

  async createJob(different: object = {}, headers?: Record<string, string>): Promise<Answer> {
    const file = this.#running.file('talk.mp3')
    const body = { source_file_path: file, content_type: 'audio', ingestion_task_id: 'task' }
    return await this.ask('POST', '/remote-jobs', { ...body, ...different }, headers)
  }

  async claim(different: object = {}): Promise<Claimed> {
    const body = { worker_id: 'w1', content_types: ['audio'], claim_id: 'c', ...different }
    const { body: answer, text } = await this.ask('POST', '/remote-jobs/claim', body)
    const [job] = (answer['jobs'] ?? []) as Claimed[]
    return job ?? assert.fail(text)
  }
}

async function withTokens(t: TestContext, setup: Setup = {}) {
  const running = await startRunning(t, setup)
  const tokens = running.tokens
  const holder = async (role: Role, name: string = role, types?: string[]): Promise<Holder> =>
    new Holder(running, await tokens.create({ role, name, types: types ?? null, lifeMs: null }))
  return { running, tokens, holder }
}

/** Who may use each route of the app, by `METHOD /path`, also of those that a MoRAG server behind it has. */
async function accessByRoute(): Promise<Map<string, Access>> {
  const found = new Map<string, Access>()
  for (const route of await appRoutes(BEHIND)) {
    const name = `${route.method} ${route.path}`
    if (name !== 'ALL /*' && !found.has(name)) found.set(name, accessOf(route))
  }
  return found
}

/** A request that meets a route and changes nothing. */
function requestOf(route: string): [method: string, path: string] {
  const [method, pattern] = route.split(' ') as [string, string]
  const path = pattern
    .replace(/:file\{.*\}/, 'result.md')
    .replace(':name', 'x.txt')
    .replace(/:(id|task)/, ID)
    .replace('/*', '/search')
  return [method === 'ALL' ? 'POST' : method, path]
}

async function statusOf(running: Running, route: string, token: string | null): Promise<number> {
  const [method, path] = requestOf(route)
  const headers = token === null ? {} : { 'x-api-key': token }
  const body = method === 'POST' || method === 'PUT' ? { body: 'odd' } : {}
  const answer = await fetch(running.url + path, { method, headers, ...body })
  await answer.body?.cancel()
  return answer.status
}

describe('who may use a route', () => {
  test('is as it says, for every route, for every role and without a token', async (t) => {
    const { running, holder } = await withTokens(t, { apiKey: KEY, ingestion: BEHIND })
    const holders = new Map<Role, Holder>()
    for (const role of ROLES) holders.set(role, await holder(role))
    const check = async (route: string, allowed: Access): Promise<void> => {
      const without = await statusOf(running, route, null)
      assert.equal(without === 401, allowed !== 'open', `${route} without: ${without}`)
      for (const [role, { token }] of holders) {
        const status = await statusOf(running, route, token)
        assert.notEqual(status, 401, `${route} as ${role}`)
        assert.equal(status !== 403, allows(allowed, role), `${route} as ${role}: ${status}`)
      }
      assert.notEqual(await statusOf(running, route, KEY), 403, `${route} with the key`)
    }
    const routes = await accessByRoute()
    assert.ok(routes.size > 30, [...routes.keys()].join('\n'))
    for (const [route, allowed] of routes) await check(route, allowed)
  })

  test('is for admins alone where a route says nothing', () => {
    const { routes } = new Hono().get('/new', (c) => c.text(''))
    const allowed = accessOf(routes[0]!)
    assert.deepEqual(
      ROLES.filter((role) => allows(allowed, role)),
      ['admin'],
    )
  })

  test('is the same for HEAD as for GET', async (t) => {
    const { holder } = await withTokens(t)
    assert.equal((await (await holder('worker')).ask('HEAD', '/workers')).status, 403)
    assert.equal((await (await holder('read')).ask('HEAD', '/workers')).status, 200)
  })

  test('a refusal says which role it takes, and nothing of tokens', async (t) => {
    const { holder } = await withTokens(t)
    const { body } = await (await holder('worker')).ask('GET', '/remote-jobs')
    assert.equal(body['detail'], 'This needs a token with the role submit, read or admin.')
    const reader = await holder('read')
    const { body: alone } = await reader.ask('POST', `/remote-jobs/${ID}/retry`)
    assert.equal(alone['detail'], 'This needs a token with the role admin.')
  })
})

describe('a submitter', () => {
  test('finds its own jobs, and those of others nowhere', async (t) => {
    const { holder } = await withTokens(t)
    const [one, two, reader] = [
      await holder('submit', 'one'),
      await holder('submit', 'two'),
      await holder('read'),
    ]
    const mine = String((await one.createJob()).body['job_id'])
    const others = String((await two.createJob({ ingestion_task_id: 'other' })).body['job_id'])
    for (const [who, seen, unseen] of [
      [one, mine, others],
      [two, others, mine],
    ] as const) {
      const { body } = await who.ask('GET', '/remote-jobs')
      assert.deepEqual(
        (body['jobs'] as { job_id: string }[]).map((job) => job.job_id),
        [seen],
      )
      for (const [method, rest, whenSeen] of [
        ['GET', '', 200],
        ['GET', '/status', 200],
        ['GET', '/result', 409],
        ['GET', '/result.md', 409],
        ['GET', '/artifacts', 200],
        ['GET', '/artifacts/x.txt', 404],
      ] as const) {
        assert.equal((await who.ask(method, `/remote-jobs/${seen}${rest}`)).status, whenSeen, rest)
        const answer = await who.ask(method, `/remote-jobs/${unseen}${rest}`)
        const nowhere = await who.ask(method, `/remote-jobs/${ID}${rest}`)
        assert.equal(answer.status, 404)
        assert.equal(answer.text, nowhere.text.replace(ID, unseen))
      }
      assert.equal((await who.ask('POST', `/remote-jobs/${unseen}/cancel`)).status, 404)
    }
    assert.equal((await one.ask('GET', '/status/task')).body['job_id'], mine)
    assert.equal((await one.ask('GET', '/status/other')).status, 404)
    assert.equal((await one.ask('POST', `/remote-jobs/${mine}/cancel`)).status, 200)
    const { body } = await reader.ask('GET', '/remote-jobs')
    assert.equal((body['jobs'] as unknown[]).length, 2)
    assert.equal((await reader.ask('GET', `/remote-jobs/${mine}`)).status, 200)
  })

  test('keeps what it submitted over a rotation of its token, and over a restart', async (t) => {
    const { running, tokens, holder } = await withTokens(t)
    const one = await holder('submit', 'one')
    const jobId = String((await one.createJob()).body['job_id'])
    const { token } = await tokens.rotate('one', 0)
    assert.equal((await one.ask('GET', `/remote-jobs/${jobId}`)).status, 401)
    await running.stop()
    const next = await startRunning(t, { root: running.root })
    const headers = { 'x-api-key': token }
    assert.equal((await next.ask('GET', `/remote-jobs/${jobId}`, { headers })).status, 200)
  })

  test('gets by an Idempotency-Key its own job again, and never another’s', async (t) => {
    const { running, holder } = await withTokens(t, { apiKey: KEY })
    const [one, two] = [await holder('submit', 'one'), await holder('submit', 'two')]
    const again = { 'idempotency-key': 'monday' }
    const first = await one.createJob({}, again)
    const repeated = await one.createJob({}, again)
    const foreign = await two.createJob({}, again)
    const key = { ...again, 'x-api-key': KEY }
    const json = { source_file_path: running.file('talk.mp3'), content_type: 'audio' }
    const byKey = await running.ask('POST', '/remote-jobs', {
      json: { ...json, ingestion_task_id: 'task' },
      headers: key,
    })
    assert.equal(repeated.body['job_id'], first.body['job_id'])
    const all = [first, foreign, byKey].map(({ body }) => String(body['job_id']))
    assert.equal(new Set(all).size, 3, all.join())
  })

  test('of POST /process finds its task, and not the newer one of another with the same id', async (t) => {
    const { running, holder } = await withTokens(t)
    const [one, two] = [await holder('submit', 'one'), await holder('submit', 'two')]
    const send = async ({ token }: Holder): Promise<string> => {
      const form = new FormData()
      form.set('file', new Blob([token]), 'talk.mp3')
      form.set(
        'request_data',
        JSON.stringify({ mode: 'convert', content_type: 'audio', metadata: { remote: true } }),
      )
      const answer = await fetch(`${running.url}/api/v1/process`, {
        method: 'POST',
        body: form,
        headers: { authorization: `Bearer ${token}` },
      })
      assert.equal(answer.status, 200, await answer.clone().text())
      return String(((await answer.json()) as { job_id: string }).job_id)
    }
    const mine = await send(one)
    const others = await send(two)
    assert.equal((await one.ask('GET', `/remote-jobs/${mine}`)).status, 200)
    assert.equal((await one.ask('GET', `/remote-jobs/${others}`)).status, 404)
    await two.createJob({ ingestion_task_id: mine })
    assert.equal((await one.ask('GET', `/status/${mine}`)).body['job_id'], mine)
    assert.notEqual((await two.ask('GET', `/status/${mine}`)).body['job_id'], mine)
  })
})

describe('a worker', () => {
  test('can do nothing with the attempt of another, whose lease token it has', async (t) => {
    const { running, holder } = await withTokens(t, { apiKey: KEY })
    const [a, b] = [await holder('worker', 'a'), await holder('worker', 'b')]
    const jobId = String((await (await holder('submit')).createJob()).body['job_id'])
    const { lease_token: lease } = await b.claim()
    const headers = { 'morag-lease': lease }
    const attempt = async (who: Holder, progress: number): Promise<unknown> => {
      const beat = { job_id: jobId, lease_token: lease, stage: 'transcribe', progress }
      const body = { state: 'running', version: '1', slots: 1, jobs: [beat] }
      // By the other's name it would not even be asked what it wants.
      const name = who === b ? 'w1' : 'another'
      const answer = await who.ask('POST', `/workers/${name}/heartbeat`, body)
      return (answer.body['jobs'] as { order: string }[])[0]!.order
    }
    const refusals = async (who: Holder): Promise<void> => {
      assert.equal(await attempt(who, 0.9), 'lost')
      const download = await who.ask('GET', `/remote-jobs/${jobId}/download`, undefined, headers)
      assert.equal(download.status, 403)
      const artifact = await who.ask('PUT', `/remote-jobs/${jobId}/artifacts/x.txt`, {}, headers)
      assert.equal(artifact.status, 409)
      for (const body of [
        { success: true, content: 'forged', lease_token: lease },
        { success: false, lease_token: lease },
        { success: true, content: 'forged' },
      ]) {
        const { status, body: said } = await who.ask('PUT', `/remote-jobs/${jobId}/result`, body)
        assert.deepEqual([status, said['code']], [409, 'lease_lost'])
      }
      const released = await who.ask('POST', `/remote-jobs/${jobId}/release`, {
        lease_token: lease,
      })
      assert.equal(released.status, 409)
    }
    await refusals(a)
    assert.equal(await attempt(b, 0.5), 'continue')
    const download = await b.ask('GET', `/remote-jobs/${jobId}/download`, undefined, headers)
    assert.equal(download.status, 200)
    const status = await b.ask('GET', `/remote-jobs/${jobId}/status`)
    assert.equal(status.body['progress'], 0.5)
    const body = { success: true, content: 'real', lease_token: lease }
    assert.equal((await b.ask('PUT', `/remote-jobs/${jobId}/result`, body)).status, 200)
    const detail = await running.ask('GET', `/remote-jobs/${jobId}`, {
      headers: { 'x-api-key': KEY },
    })
    assert.equal(detail.body['status'], 'completed')
    assert.ok(!detail.text.includes(b.id), 'whose token it was is not told')
  })

  test('gets no attempt of another by claiming or polling under its name', async (t) => {
    const { holder } = await withTokens(t)
    const [a, b] = [await holder('worker', 'a'), await holder('worker', 'b')]
    const submitter = await holder('submit')
    await submitter.createJob()
    const claimed = await b.claim({ claim_id: 'mine' })
    assert.equal((await b.claim({ claim_id: 'mine' })).lease_token, claimed.lease_token)
    const same = { worker_id: 'w1', content_types: ['audio'], claim_id: 'mine' }
    for (const refused of [
      await a.ask('POST', '/remote-jobs/claim', same),
      await a.ask('GET', '/remote-jobs/poll?worker_id=w1&content_types=audio'),
      await a.ask('POST', '/workers/w1/heartbeat', {
        state: 'idle',
        version: '1',
        slots: 1,
        jobs: [],
      }),
    ]) {
      assert.equal(refused.status, 503)
      assert.match(refused.text, /Another token uses the worker id w1/)
      assert.ok(Number(refused.headers.get('retry-after')) > 60)
    }
    const { body } = await a.ask('POST', '/remote-jobs/claim', { ...same, worker_id: 'w2' })
    assert.deepEqual(body['jobs'], [])
  })

  test('of the original protocol works on what its token polled, and no other does', async (t) => {
    const { holder } = await withTokens(t)
    const [a, b] = [await holder('worker', 'a'), await holder('worker', 'b')]
    await (await holder('submit')).createJob()
    const query = 'worker_id=w&content_types=audio,video'
    const { body } = await b.ask('GET', `/remote-jobs/poll?${query}`)
    const route = `/remote-jobs/${String(body['job_id'])}`
    const withToken = String(body['source_file_url']).replace('/api/v1', '')
    for (const url of [withToken, `${route}/download`]) {
      assert.equal((await a.ask('GET', url)).status, 403)
      assert.equal((await b.ask('GET', url)).status, 200)
    }
    const result = { success: true, content: 'x' }
    assert.equal((await a.ask('PUT', `${route}/result`, result)).status, 409)
    assert.equal((await b.ask('PUT', `${route}/result`, result)).status, 200)
  })

  test('claims and finds jobs of its types alone', async (t) => {
    const { running, holder } = await withTokens(t)
    const worker = await holder('worker', 'gpu', ['audio', 'document'])
    const submitter = await holder('submit')
    const video = await submitter.createJob({ content_type: 'video' })
    const audio = await submitter.createJob()
    const claimed = await worker.claim({ content_types: ['video', 'audio'], max_jobs: 5 })
    assert.equal(claimed.job_id, audio.body['job_id'])
    const route = (job: Answer): string => `/remote-jobs/${String(job.body['job_id'])}/status`
    assert.equal((await worker.ask('GET', route(audio))).status, 200)
    assert.equal((await worker.ask('GET', route(video))).status, 404)
    for (const asked of [
      worker.ask('POST', '/remote-jobs/claim', {
        worker_id: 'w',
        content_types: ['video'],
        claim_id: 'x',
      }),
      worker.ask('GET', '/remote-jobs/poll?worker_id=w&content_types=video'),
    ]) {
      const { status, body } = await asked
      assert.equal(status, 403)
      assert.match(String(body['detail']), /you may claim audio, document\./)
    }
    const seen = await running.ask('GET', '/workers', {
      headers: { 'x-api-key': (await holder('read')).token },
    })
    const [one] = seen.body['workers'] as { content_types: string[] }[]
    assert.deepEqual(one!.content_types, ['audio'])
  })

  test('whose token is revoked while it waits gets no job', async (t) => {
    const { running, tokens, holder } = await withTokens(t)
    const worker = await holder('worker')
    const submitter = await holder('submit')
    const body = { worker_id: 'w', content_types: ['audio'], claim_id: 'c', wait_seconds: 60 }
    const waiting = worker.ask('POST', '/remote-jobs/claim', body)
    const health = async (): Promise<unknown> => (await running.ask('GET', '/health')).body
    await until(async () => ((await health()) as { waiting_claims: number }).waiting_claims === 1)
    await tokens.revoke('worker')
    const created = await submitter.createJob()
    assert.equal((await waiting).status, 401)
    const { body: job } = await submitter.ask(
      'GET',
      `/remote-jobs/${String(created.body['job_id'])}`,
    )
    assert.equal(job['status'], 'pending')
  })

  test('goes by its token’s name in the log, and so does the submitter; no token is in it', async (t) => {
    const { running, holder } = await withTokens(t)
    const [worker, submitter] = [await holder('worker', 'gpu-7'), await holder('submit', 'web')]
    await submitter.createJob()
    const job = await worker.claim()
    const body = { success: true, content: 'x', lease_token: job.lease_token }
    await worker.ask('PUT', `/remote-jobs/${job.job_id}/result`, body)
    const lines = running.logged.filter((line) => line.includes(job.job_id))
    const said = lines.map((line) => JSON.parse(line) as Record<string, unknown>)
    assert.deepEqual(
      said.map(({ msg, worker: by, submitter: of }) => [msg, by, of]),
      [
        ['job pending', undefined, 'web'],
        ['job processing', 'gpu-7', 'web'],
        ['job completed', 'gpu-7', 'web'],
      ],
    )
    const log = running.logged.join('')
    for (const { token } of [worker, submitter]) assert.ok(!log.includes(token))
  })
})

describe('a one-time token', () => {
  const register = async (once: Holder, name = 'gpu-9'): Promise<Answer> =>
    await once.ask('POST', '/workers/register', { name })

  test('is exchanged for a worker’s token once, of twenty who try at the same time', async (t) => {
    const { running, tokens, holder } = await withTokens(t)
    const once = await holder('register', 'gpu-9', ['audio'])
    const answers = await Promise.all(Array.from({ length: 20 }, async () => register(once)))
    const won = answers.filter(({ status }) => status === 200)
    assert.equal(won.length, 1)
    // Ten that come too late slow their address down.
    const late = answers.filter((one) => one !== won[0]).map(({ status }) => status)
    assert.ok(
      late.every((status) => status === 401 || status === 429),
      String(late),
    )
    const { token, ...rest } = won[0]!.body
    assert.deepEqual(rest, { name: 'gpu-9', role: 'worker', types: ['audio'] })
    assert.ok([401, 429].includes((await register(once, 'gpu-10')).status))
    assert.equal(tokens.holderOf(String(token))?.name, 'gpu-9')
    assert.deepEqual(
      tokens.all().map(({ role, usedAt }) => [role, usedAt !== null]),
      [
        ['register', true],
        ['worker', false],
      ],
    )
    const log = running.logged.join('')
    assert.ok(!log.includes(String(token)) && !log.includes(once.token))
  })

  test('is not used up by a name that is taken or cannot be', async (t) => {
    const { holder } = await withTokens(t)
    await holder('worker', 'taken')
    const once = await holder('register', 'once')
    assert.equal((await register(once, 'taken')).status, 409)
    assert.equal((await register(once, 'a\nb')).status, 400)
    assert.equal((await once.ask('POST', '/workers/register', {})).status, 422)
    assert.equal((await register(once)).status, 200)
  })

  test('is not needed by an admin, and does not make the first token in open mode', async (t) => {
    const { running, tokens, holder } = await withTokens(t)
    const json = { name: 'gpu-9' }
    assert.equal((await running.ask('POST', '/workers/register', { json })).status, 409)
    assert.equal(tokens.all().length, 0)
    const answer = await register(await holder('admin'))
    assert.equal(answer.body['role'], 'worker')
  })
})

describe('open mode', () => {
  test('ends with the first token, also when that is revoked, for good', async (t) => {
    const { running, tokens, holder } = await withTokens(t)
    assert.equal((await running.ask('GET', '/workers')).status, 200)
    await holder('read')
    assert.equal((await running.ask('GET', '/workers')).status, 401)
    await tokens.revoke('read')
    assert.equal((await running.ask('GET', '/workers')).status, 401)
  })

  test(
    'is not there beyond this machine, unless that is asked for',
    { skip: notInFiles },
    async (t) => {
      const closed = await startRunning(t, { host: '0.0.0.0' })
      const port = new URL(closed.url).port
      const answer = await fetch(`http://127.0.0.1:${port}/api/v1/workers`)
      assert.equal(answer.status, 401)
      const open = await startRunning(t, { host: '0.0.0.0', insecureNoAuth: true })
      const openPort = new URL(open.url).port
      assert.equal((await fetch(`http://127.0.0.1:${openPort}/api/v1/workers`)).status, 200)
    },
  )
})

describe('who has no good token', () => {
  test('always gets the same answer, whether it is unknown, expired, revoked or old', async (t) => {
    const { running, tokens, holder } = await withTokens(t)
    const revoked = await holder('read', 'revoked')
    await tokens.revoke('revoked')
    const rotated = await holder('read', 'rotated')
    await tokens.rotate('rotated', 0)
    const past = tokensIn(running.dataDir, () => Date.now() - 10_000)
    const expired = await past.create({ role: 'read', name: 'old', types: null, lifeMs: 1_000 })
    const answers = new Set<string>()
    for (const token of [
      null,
      revoked.token,
      rotated.token,
      expired.token,
      `morag_${'x'.repeat(43)}`,
    ]) {
      const headers: Record<string, string> = token === null ? {} : { 'x-api-key': token }
      const { status, text } = await running.ask('GET', '/workers', { headers })
      assert.equal(status, 401)
      answers.add(text)
    }
    assert.equal(answers.size, 1)
  })

  test('has to wait after ten tries, while those with a token or a long key from the same address need not', async (t) => {
    const { running, holder } = await withTokens(t, { apiKey: KEY })
    const reader = await holder('read')
    const guess = async (n: number): Promise<Answer> =>
      await running.ask('GET', '/workers', { headers: { 'x-api-key': `guess ${n}` } })
    for (let n = 0; n < 10; n += 1) assert.equal((await guess(n)).status, 401)
    const refused = await guess(10)
    assert.equal(refused.status, 429)
    const seconds = Number(refused.headers.get('retry-after'))
    assert.ok(seconds >= 1 && seconds <= 60, String(seconds))
    assert.equal((await reader.ask('GET', '/workers')).status, 200)
    const headers = { 'x-api-key': KEY }
    assert.equal((await running.ask('GET', '/workers', { headers })).status, 200)
    assert.equal((await running.ask('GET', '/workers')).status, 401)
    assert.equal((await running.ask('GET', '/health')).status, 200)
    assert.equal(running.logged.filter((line) => line.includes('throttling an address')).length, 1)
  })

  test('cannot try out a short key: the right one is no better than a wrong one until the wait is over', async (t) => {
    const running = await startRunning(t, { apiKey: 'short' })
    const guess = async (key: string): Promise<number> =>
      (await running.ask('GET', '/workers', { headers: { 'x-api-key': key } })).status
    assert.equal(await guess('short'), 200)
    for (let n = 0; n < 10; n += 1) assert.equal(await guess(`guess ${n}`), 401)
    assert.equal(await guess('short'), 429)
  })
})

test('a token of ours is not shown to the MoRAG server, whose key is', async (t) => {
  const server = createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const heard = new Promise<string>((resolve) => {
    server.once('connection', (socket) => {
      socket.once('data', (data) => {
        socket.end('HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}')
        resolve(data.toString())
      })
    })
  })
  const ingestion = { ...BEHIND, moragUrl: `http://127.0.0.1:${port}`, moragApiKey: 'theirs' }
  const { holder } = await withTokens(t, { ingestion })
  const submitter = await holder('submit')
  assert.equal((await submitter.ask('GET', '/search?q=x')).status, 200)
  const request = await heard
  assert.ok(!request.includes(submitter.token) && request.includes('Bearer theirs'), request)
})
