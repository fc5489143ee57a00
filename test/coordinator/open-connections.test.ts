import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { connect, type Socket } from 'node:net'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { describe, test, type TestContext } from 'node:test'
import { execa } from 'execa'
import { pino } from 'pino'
import { connectionLimits, descriptorWarnings } from '../../coordinator/access/open-connections.ts'
import { OpenConnections } from '../../coordinator/access/open-connections.ts'
import { programCode } from '../../scripts/processes.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startRunning, until, type Running } from './running.ts'

/** Opens a connection that says nothing yet. */
async function dial(t: Pick<TestContext, 'after'>, url: string, from?: string): Promise<Socket> {
  const { port, hostname } = new URL(url)
  const local = from === undefined ? {} : { localAddress: from }
  const socket = connect({ port: Number(port), host: hostname, ...local })
  socket.on('error', () => undefined)
  socket.resume()
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return socket
}

/** Asks over an open connection; resolves when the answer has begun. */
async function askOver(socket: Socket, route: string, key?: string): Promise<void> {
  const auth = key === undefined ? '' : `Authorization: Bearer ${key}\r\n`
  const answered = once(socket, 'data')
  socket.write(`GET /api/v1${route} HTTP/1.1\r\nHost: localhost\r\n${auth}\r\n`)
  await answered
}

const KEY = 'a key that nobody can guess, of many characters'

const metric = async (running: Running, name: string): Promise<number> => {
  const headers = { authorization: `Bearer ${KEY}` }
  const { text } = await running.ask('GET', '/metrics', { headers })
  return Number(new RegExp(`^${name} (\\d+)$`, 'm').exec(text)?.[1])
}

describe('connections that have not shown a token', () => {
  const connections = { all: 32, perAddress: null }

  test('make room for each other: the one ends that has asked nothing for longest', async (t) => {
    const running = await startRunning(t, { apiKey: KEY, connections })
    const oldest = await dial(t, running.url)
    const second = await dial(t, running.url)
    const ended = once(second, 'close')
    // An open route shows no token, but is something asked.
    await askOver(oldest, '/health')
    for (let i = 0; i < 7; i += 1) await dial(t, running.url)
    await ended
    assert.equal(oldest.destroyed, false)
    await askOver(oldest, '/health')
    const said = running.logged.filter((line) => line.includes('limit of open connections'))
    assert.equal(said.length, 1)
    assert.match(said[0]!, /8 without a token.*--max-connections/)
    assert.ok((await metric(running, 'morag_connections_cut_total')) >= 1)
  })

  test('cost none that has shown one its place', async (t) => {
    const running = await startRunning(t, { apiKey: KEY, connections })
    const known = await dial(t, running.url)
    await askOver(known, '/metrics', KEY)
    const strangers: Socket[] = []
    for (let i = 0; i < 40; i += 1) strangers.push(await dial(t, running.url))
    await until(() => strangers.filter((one) => !one.destroyed).length <= 8)
    assert.equal(known.destroyed, false)
    await askOver(known, '/metrics', KEY)
    assert.ok((await metric(running, 'morag_connections_without_token')) <= 8)
  })
})

describe('the limits of open connections', () => {
  const log = pino({ enabled: false })

  async function serving(t: TestContext, limits: ConstructorParameters<typeof OpenConnections>[0]) {
    const server: Server = createServer((_, answer) => answer.end('{}'))
    const connections = new OpenConnections(limits, {
      log,
      isShared: (address) => address.endsWith('127.0.0.1'),
    })
    connections.watch(server)
    server.on('request', ({ socket, headers }) => {
      if (headers.authorization !== undefined) connections.vouch(socket)
    })
    server.listen(0, '::')
    await once(server, 'listening')
    t.after(() => {
      server.close()
      server.closeAllConnections()
    })
    const { port } = server.address() as { port: number }
    return { connections, url: `http://127.0.0.1:${port}` }
  }

  test('hold per address too, but for those that many share', async (t) => {
    const { connections, url } = await serving(t, { all: 50, strangers: 8, perAddress: 2 })
    for (let i = 0; i < 5; i += 1) await dial(t, url)
    const first = await dial(t, url, '127.0.0.2')
    await dial(t, url, '127.0.0.2')
    await until(() => connections.open === 7)
    assert.equal(connections.cut, 0)
    const ended = once(first, 'close')
    await dial(t, url, '127.0.0.2')
    await ended
    assert.equal(connections.cut, 1)
    assert.equal(connections.strangers, 7)
  })

  test('refuse a new one where all have shown a token', async (t) => {
    const { connections, url } = await serving(t, { all: 3, strangers: 2, perAddress: 2 })
    const known: Socket[] = []
    for (let i = 0; i < 3; i += 1) {
      const socket = await dial(t, url)
      await askOver(socket, '/', 'token')
      known.push(socket)
    }
    const refused = await dial(t, url)
    if (!refused.closed) await once(refused, 'close')
    assert.equal(connections.cut, 1)
    assert.equal(connections.open, 3)
    assert.ok(known.every((socket) => !socket.destroyed))
    known[0]!.destroy()
    await until(() => connections.open === 2)
    await askOver(await dial(t, url), '/', 'token')
  })

  test('follow from how many files may be open, and what is set', () => {
    const unset = { all: null, perAddress: null }
    assert.deepEqual(connectionLimits(unset, 256), { all: 96, strangers: 24, perAddress: 6 })
    assert.deepEqual(connectionLimits(unset, 65_536), {
      all: 32_736,
      strangers: 4_096,
      perAddress: 1_024,
    })
    assert.deepEqual(connectionLimits({ all: 1_000, perAddress: 'off' }, 256), {
      all: 1_000,
      strangers: 250,
      perAddress: Infinity,
    })
  })

  test('that the open files cannot carry are named, with their remedy', () => {
    const unset = { all: null, perAddress: null }
    assert.deepEqual(descriptorWarnings(unset, 4_096, 1_024), [])
    assert.deepEqual(descriptorWarnings({ all: 12_000, perAddress: null }, 10_000, 20_000), [])
    assert.deepEqual(descriptorWarnings({ all: 30_000, perAddress: null }, 10_000, 20_000), [
      '--max-connections 30000 is more than 20000 open files allow: raise the limit of open files to 30064 (ulimit -n, or LimitNOFILE= of the service), or set 19936 at most',
    ])
    assert.deepEqual(descriptorWarnings(unset, 10_000, 20_000), [
      '--max-waiting 10000 needs as many connections, and 9968 are allowed: raise the limit of open files to 20064 (ulimit -n, or LimitNOFILE= of the service), or set --max-connections above it',
    ])
  })
})

test('with 256 open files, idle connections without a token keep no worker from its work', async (t) => {
  const dataDir = path.join(tempFolder(), 'data')
  const command = [process.execPath, ...programCode('coordinator'), 'serve', '--port', '0']
  const quoted = [...command, '--data-dir', dataDir, '--log-format', 'json'].map(
    (word) => `'${word}'`,
  )
  const child = execa('sh', ['-c', `ulimit -n 256; exec ${quoted.join(' ')}`], {
    env: { MORAG_API_KEY: KEY },
    reject: false,
    buffer: false,
    stdin: 'ignore',
  })
  t.after(() => child.kill('SIGKILL'))
  const url = await new Promise<string>((resolve) => {
    createInterface({ input: child.stdout }).on('line', (line) => {
      const said = /"url":"([^"]+)"/.exec(line)?.[1]
      if (said !== undefined) resolve(said)
    })
  })
  const opened: Socket[] = []
  for (let i = 0; i < 400; i += 1) opened.push(await dial(t, url))
  const ask = async (method: string, route: string, body?: FormData | string, type?: string) => {
    const answer = await fetch(`${url}/api/v1${route}`, {
      method,
      headers: { authorization: `Bearer ${KEY}`, ...(type && { 'content-type': type }) },
      ...(body !== undefined && { body }),
    })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return JSON.parse(text) as Record<string, unknown>
  }
  await until(() => opened.filter((one) => !one.destroyed).length <= 24)
  assert.ok(readdirSync(`/proc/${child.pid}/fd`).length < 128)
  const form = new FormData()
  form.set('content_type', 'audio')
  form.set('file', new File(['sound'], 'a.mp3'))
  await ask('POST', '/remote-jobs/', form)
  const wish = { worker_id: 'w', content_types: ['audio'], claim_id: 'c' }
  const { jobs } = await ask('POST', '/remote-jobs/claim', JSON.stringify(wish), 'application/json')
  assert.equal((jobs as unknown[]).length, 1)
  assert.equal((await ask('GET', '/health'))['status'], 'ok')
  // It cuts its journal when it stops.
  child.kill('SIGTERM')
  assert.equal((await child).exitCode, 0)
})
