import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  readdirSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { get, type IncomingMessage } from 'node:http'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { Attempts } from '../../coordinator/leases/attempts.ts'
import { AppError } from '../../shared/errors.ts'
import {
  claim,
  claimedJob,
  createJob,
  startRunning,
  until,
  type Answer,
  type Claimed,
  type Running,
} from './running.ts'

const BYTES = '0123456789'

interface Held {
  running: Running
  job: Claimed
  file: string
  /** Downloads it with these headers more. */
  download: (headers?: Record<string, string>, method?: string) => Promise<Answer>
}

/** A job of ten bytes that a worker holds. */
async function held(t: TestContext, bytes = BYTES, name = 'talk.mp3'): Promise<Held> {
  const running = await startRunning(t)
  const file = running.file(name, bytes)
  const job = await claimedJob(running, { source_file_path: file })
  const route = `/remote-jobs/${job.job_id}/download`
  const download: Held['download'] = async (headers = {}, method = 'GET') =>
    await running.ask(method, route, { headers: { 'morag-lease': job.lease_token, ...headers } })
  return { running, job, file, download }
}

function openFiles({ root }: Running): string[] {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const file = readlinkSync(`/proc/self/fd/${fd}`)
      return file.startsWith(path.join(root, 'media')) ? [file] : []
    } catch {
      return []
    }
  })
}

function errors({ logged }: Running): string[] {
  return logged.filter((line) => /"level":(50|60)/.test(line))
}

describe('a download', () => {
  test('is the whole file, with everything that a worker needs to go on later', async (t) => {
    const { download, job } = await held(t)
    const { status, headers, text } = await download()
    assert.equal(status, 200)
    assert.equal(text, BYTES)
    assert.equal(headers.get('content-type'), 'application/octet-stream')
    assert.equal(headers.get('content-length'), '10')
    assert.equal(headers.get('accept-ranges'), 'bytes')
    assert.equal(headers.get('content-disposition'), 'attachment; filename="talk.mp3"')
    assert.equal(headers.get('etag'), job.source.etag)
    assert.match(String(headers.get('etag')), /^"[^"]+"$/)
    assert.equal(headers.get('content-range'), null)
    assert.equal(job.source.url, `/api/v1/remote-jobs/${job.job_id}/download`)
  })

  test('of an upload carries the digest of its bytes', async (t) => {
    const running = await startRunning(t)
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('file', new File([BYTES], 'talk.mp3'))
    await (await fetch(`${running.url}/api/v1/remote-jobs/`, { method: 'POST', body: form })).text()
    const [job] = await claim(running)
    const { headers } = await running.ask('GET', `/remote-jobs/${job!.job_id}/download`, {
      headers: { 'morag-lease': job!.lease_token, range: 'bytes=2-3' },
    })
    const digest = createHash('sha256').update(BYTES).digest('base64')
    assert.equal(headers.get('repr-digest'), `sha-256=:${digest}:`)
  })

  test('answers HEAD with the same headers and no body', async (t) => {
    const { download, running } = await held(t)
    const head = await download({}, 'HEAD')
    assert.equal(head.status, 200)
    assert.equal(head.text, '')
    assert.equal(head.headers.get('content-length'), '10')
    assert.equal(head.headers.get('etag'), (await download()).headers.get('etag'))
    await until(() => openFiles(running).length === 0)
  })

  test('whose end cannot be noted stays whole, and is answered once', async (t) => {
    const { download, running } = await held(t)
    const message = 'Nothing can be written just now.'
    t.mock.method(Attempts.prototype, 'downloaded', async () => {
      throw new AppError('unavailable', message)
    })
    const printed = t.mock.method(console, 'error', () => undefined)
    assert.equal((await download()).text, BYTES)
    await until(() => running.logged.some((line) => line.includes(message)))
    await running.stop()
    assert.equal(printed.mock.callCount(), 0)
  })

  test('of an empty file is empty', async (t) => {
    const { download, running } = await held(t, '')
    const { status, headers, text } = await download()
    assert.deepEqual([status, headers.get('content-length'), text], [200, '0', ''])
    assert.equal((await download({ range: 'bytes=0-' })).status, 416)
    await until(() => openFiles(running).length === 0)
  })

  for (const [name, header] of [
    [
      'Übung 日本.mp3',
      `attachment; filename="?bung ??.mp3"; filename*=UTF-8''%C3%9Cbung%20%E6%97%A5%E6%9C%AC.mp3`,
    ],
    ['a "b".mp3', 'attachment; filename="a \\"b\\".mp3"'],
    ['new\nline.mp3', undefined],
    ['100%.mp3', undefined],
  ] as const) {
    test(`of ${JSON.stringify(name)} names it so that any client understands`, async (t) => {
      const { download } = await held(t, BYTES, name)
      const { status, headers } = await download()
      assert.equal(status, 200)
      const said = Buffer.from(headers.get('content-disposition')!, 'latin1').toString('latin1')
      assert.match(said, /^attachment; filename=/)
      if (header !== undefined) assert.equal(said.replace(/"[ÜÃ].*?bung/, '"?bung'), header)
    })
  }

  test('streams a large file to its end, byte for byte', async (t) => {
    const bytes = Array.from({ length: 400_000 }, (_, i) => `line ${i}\n`).join('')
    const { download } = await held(t, bytes)
    assert.equal((await download()).text, bytes)
    assert.equal((await download({ range: 'bytes=3000000-' })).text, bytes.slice(3_000_000))
  })

  test('that its caller breaks off is no error, and the file is let go', async (t) => {
    const { running, job } = await held(t, 'x'.repeat(32 * 1024 * 1024))
    const url = `${running.url}${job.source.url}`
    for (let times = 0; times < 5; times += 1) {
      const request = get(url, { headers: { 'morag-lease': job.lease_token } })
      const [answer] = (await once(request, 'response')) as [IncomingMessage]
      await once(answer, 'data')
      assert.equal(openFiles(running).length, 1)
      answer.destroy()
      await until(() => openFiles(running).length === 0)
    }
    assert.deepEqual(errors(running), [])
    assert.equal((await running.ask('GET', '/health')).status, 200)
  })
})

describe('a range', () => {
  for (const [range, start, end] of [
    ['bytes=0-3', 0, 3],
    ['bytes=4-', 4, 9],
    ['bytes=9-9', 9, 9],
    ['bytes=5-500', 5, 9],
    ['bytes=-3', 7, 9],
    ['bytes=-10', 0, 9],
    ['bytes=-500', 0, 9],
    ['bytes=0-2,3-4', 0, 4],
  ] as const) {
    test(`${range} of ten bytes is 206 with ${start}-${end}`, async (t) => {
      const { download } = await held(t)
      const { status, headers, text } = await download({ range })
      assert.equal(status, 206)
      assert.equal(headers.get('content-range'), `bytes ${start}-${end}/10`)
      assert.equal(headers.get('content-length'), String(end - start + 1))
      assert.equal(text, BYTES.slice(start, end + 1))
    })
  }

  for (const range of ['bytes=10-', 'bytes=10-20', 'bytes=500-', 'bytes=-0']) {
    test(`${range} of ten bytes is 416 and tells the size`, async (t) => {
      const { download, running } = await held(t)
      const { status, headers, text } = await download({ range })
      assert.equal(status, 416)
      assert.equal(headers.get('content-range'), 'bytes */10')
      assert.equal(text, '')
      await until(() => openFiles(running).length === 0)
    })
  }

  for (const range of ['bytes=0-1,5-6', 'bytes=a-b', 'bytes', 'lines=1-2', 'bytes=']) {
    test(`${range} is answered with the whole`, async (t) => {
      const { download } = await held(t)
      const { status, text } = await download({ range })
      assert.deepEqual([status, text], [200, BYTES])
    })
  }

  test('counts under If-Range only when that is the file’s etag', async (t) => {
    const { download, job } = await held(t)
    const range = 'bytes=4-'
    const { etag } = job.source
    assert.equal((await download({ range, 'if-range': etag })).status, 206)
    for (const other of ['"another"', `W/${etag}`, new Date().toUTCString()]) {
      const { status, text } = await download({ range, 'if-range': other })
      assert.deepEqual([status, text], [200, BYTES], other)
    }
    assert.equal((await download({ range: 'bytes=99-', 'if-range': '"another"' })).status, 200)
  })
})

describe('a download is refused', () => {
  const refused = async (
    { running, job }: Held,
    headers: Record<string, string>,
    query = '',
  ): Promise<void> => {
    const route = `/remote-jobs/${job.job_id}/download${query}`
    const { status, body } = await running.ask('GET', route, { headers })
    assert.equal(status, 403)
    assert.equal(body['code'], 'forbidden')
  }

  test('without a token, with a wrong one, and with one of another job', async (t) => {
    const one = await held(t)
    const other = await claimedJob(one.running)
    await refused(one, {})
    for (const token of [other.lease_token, `${one.job.lease_token}x`, '', 'x', '1.', '0.0']) {
      await refused(one, { 'morag-lease': token })
      await refused(one, {}, `?token=${token}`)
    }
    await refused(one, {}, `?token=${one.job.lease_token}`)
    await refused(one, { 'morag-lease': other.lease_token }, `?token=${one.job.lease_token}`)
  })

  test('with the token of an attempt that is over', async (t) => {
    const one = await held(t)
    const { running, job } = one
    const json = { lease_token: job.lease_token }
    await running.ask('POST', `/remote-jobs/${job.job_id}/release`, { json })
    await refused(one, { 'morag-lease': job.lease_token })
    const [again] = await claim(running)
    assert.equal(again?.attempt, 2)
    await refused(one, { 'morag-lease': job.lease_token })
    const headers = { 'morag-lease': again.lease_token }
    const { status } = await running.ask('GET', `/remote-jobs/${job.job_id}/download`, { headers })
    assert.equal(status, 200)
  })

  test('of a job that waits or is unknown', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running)
    assert.equal((await running.ask('GET', `/remote-jobs/${id}/download`)).status, 403)
    const unknown = '00000000-0000-4000-8000-000000000000'
    assert.equal((await running.ask('GET', `/remote-jobs/${unknown}/download`)).status, 404)
  })

  const broken: [string, (file: string) => void, number, string][] = [
    ['gone', (file) => rmSync(file), 404, 'source_missing'],
    ['longer', (file) => writeFileSync(file, `${BYTES}more`), 409, 'source_changed'],
    ['as long but written later', (file) => utimesSync(file, 1, 1), 409, 'source_changed'],
    [
      'a link out of the root',
      (file) => {
        rmSync(file)
        symlinkSync('/etc/hostname', file)
      },
      404,
      'source_missing',
    ],
    [
      'a folder',
      (file) => {
        rmSync(file)
        execFileSync('mkdir', [file])
      },
      409,
      'source_changed',
    ],
    [
      'a pipe that nobody writes to',
      (file) => {
        rmSync(file)
        execFileSync('mkfifo', [file])
      },
      409,
      'source_changed',
    ],
    [
      'below a link out of the root',
      (file) => {
        const folder = path.dirname(file)
        renameSync(folder, `${folder}-evil`)
        symlinkSync(`${folder}-evil`, folder)
      },
      404,
      'source_missing',
    ],
  ]
  for (const [what, spoil, status, code] of broken) {
    test(
      `with ${status} ${code} when the source is now ${what}`,
      { timeout: 10_000 },
      async (t) => {
        const { running, file, download } = await held(t)
        spoil(file)
        const answer = await download()
        assert.deepEqual([answer.status, answer.body['code']], [status, code])
        assert.equal(typeof answer.body['detail'], 'string')
        await until(() => openFiles(running).length === 0)
        assert.deepEqual(errors(running), [])
      },
    )
  }
})
