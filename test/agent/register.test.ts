import assert from 'node:assert/strict'
import { mkdtempSync } from 'node:fs'
import { readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { keyFileFor } from '../../agent/paths.ts'
import { programCode, startCoordinator } from '../../scripts/processes.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { json, startServer, type Seen } from './fake-server.ts'

const folder = tempFolder()

/** A home of its own with a one-time token in it, and the program as its user runs it. */
async function home() {
  const at = mkdtempSync(path.join(folder, 'home-'))
  const once = path.join(at, 'once')
  await writeFile(once, 'one-time-token\n')
  const config = path.join(at, 'config')
  return {
    at,
    once,
    stored: (url: string) => path.join(config, 'morag', 'keys', path.basename(keyFileFor(url))),
    run: (...args: string[]) =>
      execa(process.execPath, [...programCode('agent'), ...args], {
        env: { PATH: process.env['PATH'] ?? '', HOME: at, XDG_CONFIG_HOME: config },
        extendEnv: false,
        reject: false,
        stdin: 'ignore',
      }),
  }
}

/** A coordinator that knows one one-time token, once, and one worker's token. */
async function coordinator(t: TestContext): Promise<{ url: string; seen: Seen[] }> {
  let isUsed = false
  return await startServer(t, ({ url, headers }, response) => {
    const shown = headers.authorization
    if (url === '/api/v1/workers/register' && shown === 'Bearer one-time-token' && !isUsed) {
      isUsed = true
      return json(response, 200, { token: 'my-own', name: 'gpu-7', role: 'worker', types: null })
    }
    if (shown === 'Bearer my-own') return json(response, 200, { jobs: [], retry_after_seconds: 0 })
    json(response, 401, { detail: 'This token is not known.', code: 'unauthorized' })
  })
}

describe('register', () => {
  it('keeps the key where every command finds it, for its owner only', async (t) => {
    const { url, seen } = await coordinator(t)
    const { once, run, stored } = await home()
    const args = ['--url', url, '--registration-token-file', once, '--name', 'gpu-7']
    const { stdout, stderr, exitCode } = await run('register', ...args)
    assert.deepEqual([exitCode, stderr], [0, ''])
    assert.ok(stdout.includes(`morag-agent start --url ${url}`), stdout)
    assert.doesNotMatch(stdout, /my-own|one-time-token/)
    assert.deepEqual(JSON.parse(seen[0]!.body), { name: 'gpu-7' })
    assert.equal(await readFile(stored(url), 'utf8'), 'my-own\n')
    assert.equal((await stat(stored(url))).mode & 0o777, 0o600)
    await run('submit', once, '--url', url)
    assert.equal(seen.at(-1)?.headers.authorization, 'Bearer my-own')
  })

  it('does not use the one-time token up when a key is there already, unless forced', async (t) => {
    const { url, seen } = await coordinator(t)
    const { at, once, run } = await home()
    const key = path.join(at, 'key')
    await writeFile(key, 'older')
    const args = ['register', '--url', url, '--registration-token-file', once]
    const refused = await run(...args, '--api-key-file', key)
    assert.equal(refused.exitCode, 2)
    assert.match(refused.stderr, /key already holds a key: .*--force/)
    assert.equal(seen.length, 0)
    const forced = await run(...args, '--api-key-file', key, '--force', '--json')
    assert.deepEqual(JSON.parse(forced.stdout), { name: 'gpu-7', url, api_key_file: key })
    assert.equal(await readFile(key, 'utf8'), 'my-own\n')
  })

  it('ends with exit code 3 when the token was used before, and leaves no key', async (t) => {
    const { url } = await coordinator(t)
    const { at, once, run } = await home()
    const args = ['register', '--url', url, '--registration-token-file', once, '--api-key-file']
    await run(...args, path.join(at, 'first'))
    const { stderr, exitCode } = await run(...args, path.join(at, 'second'))
    assert.equal(exitCode, 3)
    assert.match(stderr, /This token is not known\./)
    await assert.rejects(stat(path.join(at, 'second')), { code: 'ENOENT' })
  })

  it('gets a worker’s token from a real coordinator, which lets no one else in', async (t) => {
    const { at, run } = await home()
    const data = path.join(at, 'data')
    const create = ['token', 'create', '--role', 'register', '--name', 'gpu-7', '--data-dir', data]
    const { stdout: token } = await execa(process.execPath, [
      ...programCode('coordinator'),
      ...create,
    ])
    const once = path.join(at, 'real-once')
    await writeFile(once, token)
    const coordinator = await startCoordinator(data, at)
    t.after(() => coordinator.signal('SIGKILL'))
    const { url } = coordinator
    const args = ['register', '--url', url, '--registration-token-file', once, '--json']
    const { stdout } = await run(...args, '--name', 'gpu-7')
    const { api_key_file: key } = JSON.parse(stdout) as { api_key_file: string }
    const checked = await run('test', '--test', 'connection', '--url', url, '--json')
    const { ok, checks } = JSON.parse(checked.stdout) as { ok: boolean; checks: unknown }
    assert.equal(ok, true, JSON.stringify(checks))
    assert.notEqual(await readFile(key, 'utf8'), token)
    assert.equal((await run(...args, '--force')).exitCode, 3)
  })
})
