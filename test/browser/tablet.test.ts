import assert from 'node:assert/strict'
import { test } from 'node:test'
import { claimedJob, startRunning } from '../coordinator/running.ts'
import { inTab, launch, skip } from './browser.ts'

test('the stage of a job is not cut off at any screen width', { skip }, async (t) => {
  const running = await startRunning(t)
  const { job_id, lease_token } = await claimedJob(running)
  const beat = { job_id, lease_token, stage: 'transcribing', progress: 0.45 }
  const news = { state: 'running', version: '1', slots: 1, jobs: [beat] }
  assert.equal((await running.ask('POST', '/workers/w1/heartbeat', { json: news })).status, 200)
  const browser = await launch()
  t.after(async () => await browser.close())
  const view = { url: running.url, hash: '#/jobs', viewport: { width: 1024, height: 600 } }
  await inTab(browser, view, async ({ page, picture }) => {
    await page.locator('.row .stage').waitFor()
    for (const width of [320, 480, 768, 900, 1024, 1440]) {
      await page.setViewportSize({ width, height: 600 })
      const stage = await page.locator('.row .stage').boundingBox()
      const place = await page.locator('.row .sub').boundingBox()
      assert.ok(stage !== null && place !== null)
      assert.ok(stage.x + stage.width <= place.x + place.width + 1, `cut at ${width} pixels`)
      assert.ok(stage.y + stage.height <= place.y + place.height + 1, `cut below at ${width}`)
    }
    await page.setViewportSize({ width: 768, height: 600 })
    await picture('tablet')
  })
})
