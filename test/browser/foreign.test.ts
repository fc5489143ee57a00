import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { chromium } from 'playwright-core'
import { createJob, startRunning } from '../coordinator/running.ts'
import { CHROMIUM, skip } from './browser.ts'

test(
  'a page of another origin claims no job by an image, a script or a form',
  { skip },
  async (t) => {
    const running = await startRunning(t, { insecureNoAuth: true })
    const jobId = await createJob(running)
    const { port } = new URL(running.url)
    // To another host over plain HTTP, browsers send neither Sec-Fetch-Site nor, with a GET, Origin.
    const there = `http://coordinator.example:${port}/api/v1`
    const poll = `${there}/remote-jobs/poll?worker_id=thief&content_types=audio`
    const page = `<img src="${poll}"><img src="${poll}" referrerpolicy="no-referrer">
    <script src="${poll}"></script><link rel="stylesheet" href="${poll}"><video src="${poll}"></video>
    <iframe src="${poll}"></iframe>
    <script>
      fetch(${JSON.stringify(poll)}, { mode: 'no-cors', referrerPolicy: 'no-referrer', headers: { accept: '*/*' } })
      fetch(${JSON.stringify(`${there}/remote-jobs/${jobId}/cancel`)}, { mode: 'no-cors', method: 'POST' })
    </script>`
    const elsewhere = createServer((_, answer) => {
      answer.setHeader('content-type', 'text/html')
      answer.end(page)
    })
    elsewhere.listen(0, '127.0.0.1')
    await once(elsewhere, 'listening')
    t.after(() => elsewhere.close().closeAllConnections())
    const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : []
    const browser = await chromium.launch({
      executablePath: CHROMIUM,
      args: [...asRoot, '--disable-dev-shm-usage', '--host-resolver-rules=MAP *.example 127.0.0.1'],
    })
    t.after(async () => await browser.close())
    const tab = await browser.newPage()
    const own = (elsewhere.address() as AddressInfo).port
    await tab.goto(`http://page.example:${own}/`, { waitUntil: 'networkidle' })
    const { text } = await running.ask('GET', '/metrics')
    const answered = [
      ...text.matchAll(/^morag_http_requests_total\{(.*route="\/remote-jobs\/.*)\} (\d+)$/gm),
    ]
    for (const [, labels] of answered) assert.match(labels!, /status="403"/)
    const polls = answered.find(([, labels]) => labels!.includes('route="/remote-jobs/poll"'))
    assert.ok(Number(polls?.[2]) >= 5, text)
    assert.ok(answered.some(([, labels]) => labels!.includes('/cancel"')))
    const { body } = await running.ask('GET', `/remote-jobs/${jobId}`)
    assert.equal(body['status'], 'pending')
  },
)
