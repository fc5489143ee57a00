import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { ingestedJob } from '../ingestion/ingested-job.ts'
import { inTab, launch, overhangOf, skip, violationsIn } from './browser.ts'

let browser: Browser | null = null
before(async () => {
  if (skip === false) browser = await launch()
})
after(async () => await browser?.close())

test('a job’s page has what the MoRAG server answered', { skip }, async (t) => {
  const { running, jobId } = await ingestedJob(t)
  const view = { url: running.url, hash: `#/jobs/${jobId}` }
  await inTab(browser!, view, async ({ page, picture }) => {
    const answer = page.getByRole('group', { name: 'Answer of the MoRAG server' })
    await answer.waitFor()
    const names = await answer.locator('dt').allTextContents()
    const values = await answer.locator('dd').allTextContents()
    assert.deepEqual(Object.fromEntries(names.map((name, i) => [name, values[i]])), {
      Chunks: '2',
      Text: '6 characters',
      Databases: 'qdrant',
      Stages: 'chunker completed (1.5 s), ingestor completed (1.5 s)',
      Warning: 'Two facts\nhave no source.',
      API: 'stages',
    })
    assert.deepEqual(await violationsIn(page), [])
    await picture('server-answer')
    await page.setViewportSize({ width: 360, height: 800 })
    assert.equal(await overhangOf(page), 0)
    await picture('server-answer-narrow')
  })
})
