import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, writeFileSync } from 'node:fs'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { examineFolder } from '../../coordinator/admin/doctor.ts'
import { ago, table } from '../../coordinator/admin/table.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { claimedJob, createJob, startRunning, type Running, type Setup } from './running.ts'
import { programCode } from '../../scripts/processes.ts'

const folder = tempFolder()

/** A coordinator, and the program as an admin runs it against it. */
async function scene(t: TestContext, setup: Setup = {}) {
  const running = await startRunning(t, setup)
  const admin = async (args: string, env: Record<string, string> = {}) =>
    await execa(
      process.execPath,
      [...programCode('coordinator'), ...args.split(' '), '--url', running.url],
      {
        env: { PATH: process.env['PATH'] ?? '', HOME: folder, ...env },
        extendEnv: false,
        reject: false,
        stdin: 'ignore',
      },
    )
  return { running, admin }
}

/** A job that has failed for good. */
async function failedJob(running: Running): Promise<string> {
  const { job_id: jobId, lease_token: leaseToken } = await claimedJob(running)
  await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
    json: {
      success: false,
      error_code: 'invalid_media',
      error_message: 'It is no\nrecording.',
      lease_token: leaseToken,
    },
  })
  return jobId
}

describe('the admin’s commands', () => {
  it('find a failed job and its reason, and bring it back', async (t) => {
    const { running, admin } = await scene(t)
    const jobId = await failedJob(running)
    const list = await admin('jobs list --status failed')
    assert.match(list.stdout, /^ID +STATUS +TYPE +AGE +WORKER +FILE +NOTE$/m)
    const row = list.stdout.split('\n').find((line) => line.startsWith(jobId))
    assert.match(row ?? '', /failed +audio +\d+s +w1 +talk\.mp3 +It is no recording\.$/)

    const shown = await admin(`jobs show ${jobId}`)
    assert.match(shown.stdout, /^error +invalid_media: It is no recording\.$/m)
    assert.match(shown.stdout, /^\d{4}-.*Z {2}attempt 1: claimed by w1$/m)
    assert.match(shown.stdout, /attempt 1: failed \(invalid_media: It is no recording\.\)$/m)

    const retried = await admin(`jobs retry ${jobId}`)
    assert.deepEqual([retried.stdout, retried.exitCode], [`${jobId} pending`, 0])
    const cancelled = await admin(`jobs cancel ${jobId} --json`)
    assert.equal((JSON.parse(cancelled.stdout) as { status: string }[])[0]?.status, 'cancelled')
    const removed = await admin(`jobs delete ${jobId}`)
    assert.equal(removed.stdout, `${jobId} removed`)
  })

  it('show who used what, as a table or CSV', async (t) => {
    const { running, admin } = await scene(t)
    await failedJob(running)
    const [table, csv] = await Promise.all([admin('usage --by token'), admin('usage --csv')])
    assert.match(
      table.stdout,
      /^TOKEN +JOBS +COMPLETED +FAILED +CANCELLED +MEDIA HOURS +WORK HOURS$/m,
    )
    assert.match(table.stdout, /^api-key +1 +0 +1 +0 +0\.00 +0\.00$/m)
    assert.match(csv.stdout, /^day,token_id,name,.*\r\n\d{4}-\d\d-\d\d,,api-key,1,0,1,0,0,0\.\d+$/)
  })

  it('go on with the other jobs when one is not there', async (t) => {
    const { running, admin } = await scene(t)
    const jobId = await createJob(running)
    const nobody = '00000000-0000-4000-8000-000000000000'
    const { stdout, stderr, exitCode } = await admin(`jobs cancel ${nobody} ${jobId}`)
    assert.equal(stdout, `${jobId} cancelled`)
    assert.match(stderr, new RegExp(nobody))
    assert.equal(exitCode, 1)
  })

  it('show and direct workers', async (t) => {
    const { running, admin } = await scene(t)
    await claimedJob(running)
    const { stdout } = await admin('workers list')
    assert.match(stdout, /^w1 +polling +\d+s ago +1 +1 +audio +- +-$/m)
    assert.match((await admin('workers drain w1')).stdout, /^w1 +drain /m)
    const [worker] = JSON.parse((await admin('workers resume w1 --json')).stdout) as {
      directive: string
    }[]
    assert.equal(worker?.directive, 'run')
    assert.equal((await admin('workers remove w1')).stdout, 'w1 removed')
    assert.equal((await admin('workers list')).stdout, 'No workers.')
    const unknown = await admin('workers drain w1')
    assert.equal(unknown.exitCode, 1)
    assert.match(unknown.stderr, /There is no worker w1/)
  })

  it('clean up, and export every job with its transcript', async (t) => {
    const { running, admin } = await scene(t)
    const { job_id: jobId, lease_token: leaseToken } = await claimedJob(running)
    await running.ask('PUT', `/remote-jobs/${jobId}/result`, {
      json: { success: true, content: 'Text.', lease_token: leaseToken },
    })
    await createJob(running)
    const lines = (await admin('export --results')).stdout.split('\n')
    const jobs = lines.map((line) => JSON.parse(line) as Record<string, { content: string }>)
    assert.equal(jobs.length, 2)
    assert.equal(jobs[1]?.['transcript']?.content, 'Text.')
    const dry = await admin('cleanup --older-than 0s --dry-run')
    assert.match(dry.stdout, /^would be expired: 0, removed: 1, freed: /)
    assert.equal(
      await running.ask('GET', `/remote-jobs/${jobId}`).then(({ status }) => status),
      200,
    )
  })

  it('end quietly when their output is closed', async (t) => {
    const { running } = await scene(t)
    for (let n = 0; n < 3; n += 1) await createJob(running)
    for (const command of [
      ['export'],
      ['jobs', 'list'],
      ['workers', 'list'],
      ['export', '--help'],
    ]) {
      const url = command.includes('--help') ? [] : ['--url', running.url]
      const args = [...programCode('coordinator'), ...command, ...url]
      const child = execa(process.execPath, args, { reject: false, stdin: 'ignore' })
      child.stdout.destroy()
      const { stderr, exitCode } = await child
      assert.deepEqual([stderr, exitCode], ['', 0], command.join(' '))
    }
  })

  it('need the key, and say so', async (t) => {
    const { admin } = await scene(t, { apiKey: 'sesame' })
    const { stderr, exitCode } = await admin('jobs list')
    assert.equal(exitCode, 3)
    assert.match(stderr, /--api-key-file or MORAG_API_KEY/)
    const { stdout } = await admin('jobs list', { MORAG_API_KEY: 'sesame' })
    assert.equal(stdout, 'No jobs.')
  })
})

describe('what answers an admin in a coordinator’s place', () => {
  async function ask(t: TestContext, answer: (response: ServerResponse) => void) {
    const server = createServer((_, response) => answer(response))
    t.after(() => server.close())
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
    const args = [...programCode('coordinator'), 'workers', 'list', '--url', url]
    const { exitCode, stderr } = await execa(process.execPath, args, {
      env: { MORAG_API_KEY: 'a key that is long enough to be one', HOME: folder },
      reject: false,
    })
    assert.equal(exitCode, 1)
    return stderr
  }

  it('and sends on to another address is reported, not followed', async (t) => {
    const location = 'https://morag.example/elsewhere'
    const said = await ask(t, (response) => response.writeHead(302, { location }).end())
    assert.match(said, /redirects to https:\/\/morag\.example\/elsewhere, .*set --url/)
  })

  it('and refuses is no refusal of the coordinator', async (t) => {
    const page = await ask(t, (response) => response.writeHead(403).end('<html>Go away'))
    assert.match(page, /^Cannot reach the coordinator .* 403 Forbidden \("Go away"\)/)
    const other = await ask(t, (response) => response.writeHead(422).end('{"detail":"no"}'))
    assert.match(other, /something else answered 422 Unprocessable/)
  })
})

describe('the doctor', () => {
  it('says what to do about jobs that no worker takes', async (t) => {
    const { running, admin } = await scene(t)
    await createJob(running)
    const { stdout, exitCode } = await admin(`doctor --data-dir ${running.dataDir}`)
    assert.equal(exitCode, 0)
    assert.match(stdout, /^ok +a coordinator is running on it$/m)
    assert.match(
      stdout,
      /^warn +jobs are pending and no worker is connected\n +fix: Start one: morag-agent/m,
    )
  })

  it('finds what is wrong with a folder', async () => {
    const dir = path.join(folder, 'ill')
    mkdirSync(path.join(dir, 'quarantine'), { recursive: true })
    mkdirSync(path.join(dir, 'pending'))
    writeFileSync(path.join(dir, 'quarantine', 'pending-x.json'), '{')
    writeFileSync(path.join(dir, 'pending', 'x.json'), '{"source_file_path": "/a.mp3"}')
    writeFileSync(path.join(dir, 'secret'), 'x', { mode: 0o644 })
    const findings = await examineFolder(dir)
    const found = (level: string) => findings.filter((one) => one.level === level)
    assert.deepEqual(
      found('fail').map(({ what }) => what),
      ['other users can read secret', 'pending/x.json is a job of the original system'],
    )
    assert.match(
      found('warn')
        .map(({ what }) => what)
        .join(),
      /1 files in quarantine/,
    )
  })
})

describe('a table', () => {
  it('keeps its columns whatever a file is called', () => {
    const text = table(
      ['A', 'B'],
      [
        ['x\n\u001b[31my', 'last'],
        ['', 'b'],
      ],
    )
    assert.equal(text, 'A        B\nx [31my  last\n-        b\n')
  })

  it('says how long ago something was', () => {
    const now = 1_000_000_000
    const all = [0, 59, 60, 3_600, 86_400 * 3].map((seconds) => ago(now - seconds * 1_000, now))
    assert.deepEqual(all, ['0s', '59s', '1m', '1h', '3d'])
  })
})
