import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Client } from '../../agent/client/client.ts'
import { Connection } from '../../shared/connection.ts'
import { runGroups, type CheckResult, type Group } from '../../agent/selftest/check.ts'
import { apiGroup } from '../../agent/selftest/api.ts'
import { checkTransport, connectionGroup } from '../../agent/selftest/connection.ts'
import { diskGroup } from '../../agent/selftest/disk.ts'
import { lifecycleGroup } from '../../agent/selftest/lifecycle.ts'
import { limitsGroup } from '../../agent/selftest/limits.ts'
import { startRunning, tokensIn } from '../coordinator/running.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { json, startServer } from './fake-server.ts'

const folder = tempFolder()

const run = async (group: Group): Promise<CheckResult[]> => await runGroups([group], () => {})

/** Something in the coordinator's place that answers everything like this. */
async function connected(
  t: TestContext,
  answer: Parameters<typeof startServer>[1],
): Promise<Connection> {
  const { url } = await startServer(t, answer)
  const connection = new Connection({ url, apiKey: 'key', retries: 0 })
  t.after(() => connection.close())
  return connection
}

const statuses = (results: CheckResult[]): string[] => results.map(({ status }) => status)

describe('the self-test', () => {
  it('says what to do when a clock is wrong', async (t) => {
    const connection = await connected(t, ({ url, headers }, response) => {
      const date = new Date(Date.now() - 3_600_000).toUTCString()
      if (url.endsWith('/health'))
        return json(response, 200, { status: 'ok', version: '1' }, { date })
      json(response, headers.authorization === 'Bearer key' ? 404 : 401, { detail: 'no' })
    })
    const results = await run(connectionGroup(new Client(connection)))
    assert.deepEqual(statuses(results), ['PASS', 'PASS', 'PASS', 'PASS', 'FAIL'])
    assert.match(results[4]!.detail, /differ by (3599|3600|3601) s/)
    assert.match(results[4]!.fix ?? '', /timedatectl/)
  })

  it('takes a coordinator that is open to its own machine for what it is', async (t) => {
    const connection = await connected(t, ({ url }, response) =>
      url.endsWith('/health')
        ? json(response, 200, { status: 'ok', version: '1' })
        : json(response, 404, { detail: 'no' }),
    )
    const results = await run(connectionGroup(new Client(connection)))
    assert.equal(results[3]?.detail, 'open, but only to this machine')
  })

  it('finds a key that is not taken', async (t) => {
    const connection = await connected(t, ({ url }, response) =>
      url.endsWith('/health')
        ? json(response, 200, { status: 'ok', version: '1' })
        : json(response, 401, { detail: 'no', code: 'unauthorized' }),
    )
    const results = await run(connectionGroup(new Client(connection)))
    assert.deepEqual(statuses(results).slice(1, 3), ['PASS', 'FAIL'])
    assert.match(results[2]?.fix ?? '', /token create --role worker/)
  })

  it('fails where a key would travel in the open', async () => {
    await assert.rejects(checkTransport('http://8.8.8.8:8000'), /plain http through a public/)
    assert.match(await checkTransport('http://10.0.0.1'), /private network/)
  })

  it('skips what its key may not do', async (t) => {
    const connection = await connected(t, (_, response) =>
      json(response, 403, { detail: 'This needs the role submit.', code: 'forbidden' }),
    )
    const results = await run(lifecycleGroup(new Client(connection)))
    assert.deepEqual(new Set(statuses(results)), new Set(['SKIP']))
    assert.match(results[0]!.detail, /needs the role submit/)
  })

  it('passes on a healthy coordinator with the key of a worker, and skips what needs another', async (t) => {
    const { url, dataDir } = await startRunning(t, { apiKey: 'of the admin' })
    const tokens = tokensIn(dataDir)
    const asked = { role: 'worker', name: 'gpu-1', types: null, lifeMs: null } as const
    const { token } = await tokens.create(asked)
    const connection = new Connection({ url, apiKey: token, retries: 0 })
    t.after(() => connection.close())
    const client = new Client(connection)
    const groups = [
      connectionGroup(client),
      lifecycleGroup(client),
      apiGroup(connection),
      limitsGroup(connection),
    ]
    const results = await runGroups(groups, () => {})
    const failed = results.filter(({ status }) => status === 'FAIL')
    assert.deepEqual(failed, [])
    const passed = results.filter(({ status }) => status === 'PASS').map(({ name }) => name)
    assert.deepEqual(passed.slice(5), [
      'a poll with nothing to do has its four keys, all null',
      'a poll without a worker is refused',
      'the status of an unknown job is 404',
      'the download of an unknown job is 404',
      'a result for an unknown job is 404',
      'an empty result is refused',
      'an oversized request is refused with a reason',
      'oversized headers are refused',
    ])
  })

  it('finds a proxy that lets no large upload through', async (t) => {
    const connection = await connected(t, ({ url, headers }, response) => {
      if (url.endsWith('/health')) return json(response, 431, {})
      const isForm = headers['content-type']?.startsWith('multipart/') === true
      if (!isForm) return json(response, 413, { detail: 'It is too large.' })
      response.writeHead(413).end('<html>413 Request Entity Too Large</html>')
    })
    const results = await run(limitsGroup(connection))
    assert.deepEqual(statuses(results), ['PASS', 'PASS', 'FAIL'])
    assert.match(results[2]!.fix ?? '', /client_max_body_size/)
  })

  it('finds a folder that cannot be written, and names the flag for another', async () => {
    const file = path.join(folder, 'file')
    await writeFile(file, '')
    const [result] = await run(diskGroup({ '--work-dir': path.join(file, 'work') }))
    assert.equal(result?.status, 'FAIL')
    assert.match(result.detail, /cannot be written \((ENOTDIR|EEXIST)\)/)
    assert.match(result.fix ?? '', /--work-dir/)
  })
})
