import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request, type IncomingMessage } from 'node:http'
import { text } from 'node:stream/consumers'
import { describe, test, type TestContext } from 'node:test'
import { execa } from 'execa'
import { cannotRun } from '../clients/programs.ts'
import { createJob, startRunning, type Running } from './running.ts'

const POLL = '/remote-jobs/poll?worker_id=w&content_types=audio'
const MOZILLA =
  'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/70.0.3538.77 Safari/537.36'

/** As they were recorded of an `<img>` of another page, over plain HTTP. */
const PAGES: Record<string, Record<string, string>> = {
  'Chromium over plain HTTP': {
    'user-agent': MOZILLA.replace('70.0.3538.77', '140.0.0.0'),
    accept: 'image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8',
    referer: 'http://127.0.0.1:44137/',
    'accept-encoding': 'gzip, deflate',
    'accept-language': 'en-US,en;q=0.9',
  },
  'Chrome 70, referrerpolicy="no-referrer"': {
    'user-agent': MOZILLA,
    accept: 'image/webp,image/apng,image/*,*/*;q=0.8',
    'accept-encoding': 'gzip, deflate',
    'accept-language': 'en-US,en;q=0.9',
  },
  'Firefox 60': {
    'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:60.0) Gecko/20100101 Firefox/60.0',
    accept: '*/*',
    'accept-language': 'en-US,en;q=0.5',
    'accept-encoding': 'gzip, deflate',
  },
  'Safari 13, fetch with mode no-cors': {
    'user-agent':
      'Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/13.1 Safari/605.1.15',
    accept: '*/*',
  },
}

/** As the usual clients of Python, and others, send them by themselves. */
const CLIENTS: Record<string, Record<string, string>> = {
  requests: {
    'user-agent': 'python-requests/2.34.2',
    'accept-encoding': 'gzip, deflate',
    accept: '*/*',
    connection: 'keep-alive',
  },
  httpx: {
    accept: '*/*',
    'accept-encoding': 'gzip, deflate',
    connection: 'keep-alive',
    'user-agent': 'python-httpx/0.28.1',
  },
  aiohttp: {
    accept: '*/*',
    'accept-encoding': 'gzip, deflate',
    'user-agent': 'Python/3.11 aiohttp/3.14.5',
  },
  urllib: { 'accept-encoding': 'identity', 'user-agent': 'Python-urllib/3.11' },
  curl: { 'user-agent': 'curl/7.88.1', accept: '*/*' },
  'fetch of Node': {
    accept: '*/*',
    'accept-language': '*',
    'sec-fetch-mode': 'cors',
    'user-agent': 'node',
    'accept-encoding': 'gzip, deflate',
  },
  'one that says nothing of itself': {},
}

/** One request with exactly these headers. */
async function send(
  { url }: Running,
  method: string,
  route: string,
  headers: Record<string, string>,
): Promise<number> {
  const asking = request(`${url}/api/v1${route}`, { method, headers, agent: false })
  asking.end()
  const [answer] = (await once(asking, 'response')) as [IncomingMessage]
  await text(answer)
  return answer.statusCode!
}

const waits = async (running: Running, jobId: string): Promise<boolean> =>
  (await running.ask('GET', `/remote-jobs/${jobId}`)).body['status'] === 'pending'

describe('in open mode, the request of a page elsewhere', () => {
  for (const [name, headers] of Object.entries(PAGES)) {
    test(`claims nothing: ${name}`, async (t) => {
      const running = await startRunning(t)
      const jobId = await createJob(running)
      assert.equal(await send(running, 'GET', POLL, headers), 403)
      assert.ok(await waits(running, jobId))
      // A form of a page whose browser tells no origin.
      assert.equal(await send(running, 'POST', `/remote-jobs/${jobId}/cancel`, headers), 403)
      assert.ok(await waits(running, jobId))
      // To look is no harm: its page does not see the answer.
      assert.equal(await send(running, 'GET', `/remote-jobs/${jobId}`, headers), 200)
    })
  }
})

describe('in open mode, a worker of the original protocol', () => {
  for (const [name, headers] of Object.entries(CLIENTS)) {
    test(`claims by ${name}`, async (t) => {
      const running = await startRunning(t)
      const jobId = await createJob(running)
      assert.equal(await send(running, 'GET', POLL, headers), 200)
      assert.ok(!(await waits(running, jobId)))
    })
  }

  test('claims by the requests of Python that is here', async (t: TestContext) => {
    const why = await cannotRun('py')
    if (why !== false) return t.skip(why)
    const running = await startRunning(t)
    const jobId = await createJob(running)
    const program = `import requests, sys; print(requests.get(sys.argv[1]).json()["job_id"])`
    const { stdout } = await execa('python3', ['-c', program, `${running.url}/api/v1${POLL}`], {
      env: { NO_PROXY: '*' },
    })
    assert.equal(stdout, jobId)
  })
})
