import assert from 'node:assert/strict'
import { chmodSync, readdirSync, readFileSync, statSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { ROLES, type Role } from '../../coordinator/access/roles.ts'
import { examineFolder } from '../../coordinator/admin/doctor.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { listenTo } from './event-stream.ts'
import {
  startRunning,
  until,
  type Answer,
  type Claimed,
  type Running,
  tokensIn,
} from './running.ts'

const JOB = '00000000-0000-4000-8000-000000000000'
const KEY = 'a key that is as long as those that openssl makes'

interface Scene {
  running: Running
  /** By role, and `audio`: a worker for audio alone. */
  tokens: Record<Role | 'audio', string>
  ask: (who: Role | 'audio', method: string, route: string, json?: unknown) => Promise<Answer>
}

async function scene(t: TestContext): Promise<Scene> {
  const running = await startRunning(t, { apiKey: KEY })
  const all = running.tokens
  const made = async (role: Role, name: string, types: string[] | null = null): Promise<string> =>
    (await all.create({ role, name, types, lifeMs: null })).token
  const entries: [string, string][] = [['audio', await made('worker', 'audio', ['audio'])]]
  for (const role of ROLES) entries.push([role, await made(role, role)])
  const tokens = Object.fromEntries(entries) as Scene['tokens']
  return {
    running,
    tokens,
    ask: async (who, method, route, json) =>
      await running.ask(method, route, { json, headers: { 'x-api-key': tokens[who] } }),
  }
}

/** Every file of a folder, as text. */
function contents(folder: string): string {
  return readdirSync(folder, { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(path.join(entry.parentPath, entry.name), 'latin1'))
    .join('\n')
}

describe('tokens', () => {
  test('are in no answer, no refusal, no line of the log and no file', async (t) => {
    const { running, tokens, ask } = await scene(t)
    const wrong = `morag_${'w'.repeat(43)}`
    const created = await ask('submit', 'POST', '/remote-jobs', {
      source_file_path: running.file('talk.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'task',
    })
    const { job_id } = created.body as { job_id: string }
    const claimed = await ask('worker', 'POST', '/remote-jobs/claim', {
      worker_id: 'w1',
      content_types: ['audio'],
      claim_id: 'c',
    })
    const [{ lease_token }] = claimed.body['jobs'] as [Claimed]
    const stream = await listenTo(t, `${running.url}/api/v1/events`, { 'x-api-key': tokens.read })
    const answers = [created, claimed]
    for (const who of [...ROLES, 'audio'] as const) {
      for (const route of [
        '/metrics',
        '/openapi.json',
        '/session',
        '/workers',
        '/remote-jobs',
        `/remote-jobs/${job_id}`,
        `/remote-jobs/${tokens[who]}`,
        `/remote-jobs/poll?worker_id=${'x'.repeat(300)}&content_types=audio`,
        '/nowhere',
      ])
        answers.push(await ask(who, 'GET', route))
      answers.push(await ask(who, 'POST', '/remote-jobs/claim', { claim_id: 5 }))
      answers.push(await ask(who, 'PUT', `/remote-jobs/${JOB}/result`, { success: true }))
    }
    for (const header of ['x-api-key', 'authorization', 'cookie'])
      answers.push(await running.ask('GET', '/workers', { headers: { [header]: wrong } }))
    const done = { success: true, content: 'x', lease_token }
    answers.push(await ask('worker', 'PUT', `/remote-jobs/${job_id}/result`, done))
    await stream.next(({ event, data }) => event === 'job' && data['status'] === 'completed')
    stream.stop()
    await running.stop()

    // What somebody asks for by that name is told back to the very one.
    const echoed = answers.filter(({ status }) => status !== 404)
    const letOut = echoed.map(({ headers, text }) => JSON.stringify([...headers, text]))
    letOut.push(JSON.stringify(stream.events), running.logged.join(''), contents(running.dataDir))
    assert.ok(answers.length > 60 && stream.events.length > 1)
    for (const [whose, token] of [...Object.entries(tokens), ['wrong', wrong], ['key', KEY]])
      assert.ok(!letOut.some((text) => text.includes(token!)), whose)
    assert.ok(!running.logged.join('').includes(lease_token))
  })

  test('that are the first make a data folder that others on the machine cannot enter', async () => {
    const dataDir = path.join(tempFolder(), 'new', 'data')
    const tokens = tokensIn(dataDir)
    await tokens.create({ role: 'read', name: 'r', types: null, lifeMs: null })
    for (const name of ['.', 'tokens.json.lock'])
      assert.equal(statSync(path.join(dataDir, name)).mode & 0o007, 0, name)
    assert.equal(statSync(path.join(dataDir, 'tokens.json')).mode & 0o077, 0)
    const complaints = async (): Promise<string[]> =>
      (await examineFolder(dataDir)).filter(({ level }) => level !== 'ok').map(({ what }) => what)
    assert.deepEqual(await complaints(), [])
    chmodSync(dataDir, 0o755)
    assert.match((await complaints()).join(), /^all users of this machine can read recordings/)
  })
})

describe('a worker for audio', () => {
  test('finds nothing of a video, by whatever route and with its worker’s own lease', async (t) => {
    const { running, tokens, ask } = await scene(t)
    const created = await ask('submit', 'POST', '/remote-jobs', {
      source_file_path: running.file('film.mp4'),
      content_type: 'video',
      ingestion_task_id: 'task',
    })
    const { job_id } = created.body as { job_id: string }
    const claimed = await ask('worker', 'POST', '/remote-jobs/claim', {
      worker_id: 'w1',
      content_types: ['video'],
      claim_id: 'c',
    })
    const [{ lease_token }] = claimed.body['jobs'] as [Claimed]
    const headers = { 'x-api-key': tokens.audio, 'morag-lease': lease_token }
    const one = `/remote-jobs/${job_id}`
    for (const [method, route, status, json] of [
      ['GET', `${one}/status`, 404, undefined],
      ['GET', `${one}/download`, 404, undefined],
      ['PUT', `${one}/result`, 404, { success: true, content: 'forged', lease_token }],
      ['POST', `${one}/release`, 404, { lease_token }],
      ['PUT', `${one}/artifacts/x.txt`, 404, {}],
      ['GET', `${one}/artifacts/x.txt`, 403, undefined],
      ['GET', `${one}/source`, 403, undefined],
      ['GET', `${one}/result.md`, 403, undefined],
      ['GET', '/events', 403, undefined],
      ['POST', `${one}/cancel`, 403, {}],
    ] as const) {
      const answer = await running.ask(method, route, { json, headers })
      assert.equal(answer.status, status, `${method} ${route}`)
      if (status !== 404) continue
      const nowhere = await running.ask(method, route.replace(job_id, JOB), { json, headers })
      assert.equal(answer.text, nowhere.text.replace(JOB, job_id), route)
    }
    const beat = { job_id, lease_token, stage: 'x', progress: 0.5 }
    const news = { state: 'running', version: '1', slots: 1, jobs: [beat] }
    const told = await ask('audio', 'POST', '/workers/w2/heartbeat', news)
    assert.equal((told.body['jobs'] as { order: string }[])[0]?.order, 'lost')
    const status = await ask('worker', 'GET', `${one}/status`)
    assert.deepEqual([status.body['status'], status.body['progress']], ['processing', null])
  })
})

describe('event streams', () => {
  test('are 32 of one token, which leaves those of others alone', async (t) => {
    const { running, tokens } = await scene(t)
    const listen = async (token: string) =>
      await listenTo(t, `${running.url}/api/v1/events`, { 'x-api-key': token })
    const open = await Promise.all(Array.from({ length: 32 }, () => listen(tokens.read)))
    assert.ok(open.every(({ status }) => status === 200))
    const refused = await listen(tokens.read)
    assert.deepEqual([refused.status, refused.headers.get('retry-after')], [429, '5'])
    const other = await listen(tokens.submit)
    assert.equal(other.status, 200)
    open[0]!.stop()
    await until(async () => {
      const again = await listen(tokens.read)
      open.push(again)
      return again.status === 200
    })
    for (const one of [...open, other]) one.stop()
  })
})
