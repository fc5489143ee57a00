import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, writeFileSync } from 'node:fs'
import net from 'node:net'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { databaseAddress } from '../../../coordinator/storage/postgres/address.ts'
import { noPostgres, sharedPostgres } from '../../shared/postgres-server.ts'
import { tempFolder } from '../../shared/temp-folder.ts'
import { createJob, startRunning, until, type Running } from '../running.ts'

const isInstalled = spawnSync('pgbouncer', ['--version']).error === undefined
const skip = isInstalled ? noPostgres : 'PgBouncer is not installed: apt-get install pgbouncer'

/** PgBouncer before the shared server, on a port of its own; ended with the test. @returns addresses of one database. */
async function pooled(
  t: TestContext,
  mode: 'session' | 'transaction',
): Promise<{ url: string; direct: string }> {
  const { port: server } = await sharedPostgres()
  const direct = await (await sharedPostgres()).database()
  const port = await freePort()
  const folder = tempFolder()
  const settings = path.join(folder, 'pgbouncer.ini')
  const lines = [
    '[databases]',
    `* = host=127.0.0.1 port=${server}`,
    '[pgbouncer]',
    'listen_addr = 127.0.0.1',
    `listen_port = ${port}`,
    'unix_socket_dir =',
    'auth_type = any',
    `pool_mode = ${mode}`,
    'default_pool_size = 20',
  ]
  // With `any` every client is this user of the server.
  writeFileSync(
    settings,
    `${lines.join('\n').replace(`port=${server}`, `port=${server} user=morag`)}\n`,
  )
  chmodSync(folder, 0o755)
  const asOwner = ['--reuid=postgres', '--regid=postgres', '--clear-groups', '--', 'pgbouncer']
  const [program, ...args] = process.getuid?.() === 0 ? ['setpriv', ...asOwner] : ['pgbouncer']
  const pooler = spawn(program!, [...args, '--quiet', settings], { stdio: 'ignore' })
  t.after(async () => {
    pooler.kill('SIGKILL')
    if (pooler.exitCode === null && pooler.signalCode === null) await once(pooler, 'exit')
  })
  await until(async () => await isOpen(port))
  return { url: direct.replace(`:${server}/`, `:${port}/`), direct }
}

async function freePort(): Promise<number> {
  const probe = net.createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const { port } = probe.address() as net.AddressInfo
  probe.close()
  return port
}

async function isOpen(port: number): Promise<boolean> {
  const socket = net.connect(port, '127.0.0.1')
  return (await new Promise((resolve) => {
    socket.once('connect', () => resolve(true))
    socket.once('error', () => resolve(false))
  }).finally(() => socket.destroy())) as boolean
}

/** Two coordinators: a call that waits at one gets the job that is made at the other. */
async function works(t: TestContext, url: string, direct: string | null): Promise<Running[]> {
  const address = databaseAddress(url)
  const database = {
    address,
    direct: direct === null ? null : databaseAddress(direct),
    pool: 4,
    isShared: true,
  }
  const one = await startRunning(t, { database })
  const other = await startRunning(t, { database, root: one.root })
  const asked = { worker_id: 'w', content_types: ['audio'], claim_id: 'c', wait_seconds: 30 }
  const waiting = other.ask('POST', '/remote-jobs/claim', { json: asked })
  const jobId = await createJob(one)
  const { body } = await waiting
  const [job] = body['jobs'] as { job_id: string; lease_token: string }[]
  assert.equal(job?.job_id, jobId)
  const json = { success: true, content: 'words', lease_token: job.lease_token }
  const { status, text } = await one.ask('PUT', `/remote-jobs/${jobId}/result`, { json })
  assert.equal(status, 200, text)
  return [one, other]
}

describe('coordinators behind PgBouncer', { skip, timeout: 120_000 }, () => {
  test('in session mode work as without it', async (t) => {
    const { url } = await pooled(t, 'session')
    for (const running of await works(t, url, null)) await shows(running, 'morag_listener_up 1')
  })

  test('in transaction mode work without prepared statements, with an address past it', async (t) => {
    const { url, direct } = await pooled(t, 'transaction')
    for (const running of await works(t, `${url}?prepare=false`, direct))
      await shows(running, 'morag_listener_up 1')
  })

  test('in transaction mode without that address look for news, and say so once', async (t) => {
    const { url } = await pooled(t, 'transaction')
    for (const running of await works(t, `${url}?prepare=false`, null)) {
      await soon(() => deafness(running) > 0)
      await shows(running, 'morag_listener_up 0')
      assert.equal(deafness(running), 1)
    }
  })
})

async function shows(running: Running, line: string): Promise<void> {
  await soon(async () => (await running.ask('GET', '/metrics')).text.includes(line))
}

/** A proof that does not arrive takes five seconds to be missed. */
async function soon(holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let looks = 0; looks < 300; looks += 1) {
    if (await holds()) return
    await delay(100)
  }
  assert.fail(`never so: ${holds.toString()}`)
}

/** How often it has said that it hears nothing. */
function deafness({ logged }: Running): number {
  return logged.filter((line) => line.includes('cannot hear of the changes of other')).length
}
