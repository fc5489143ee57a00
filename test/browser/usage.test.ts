import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startRunning } from '../coordinator/running.ts'
import { inTab, launch, overhangOf, skip, violationsIn } from './browser.ts'
import { HttpWorker } from './worker.ts'

test('the dashboard shows who used what, and offers it as CSV', { skip }, async (t) => {
  const running = await startRunning(t)
  const tokens = running.tokens
  const make = async (name: string, role: 'admin' | 'submit'): Promise<string> =>
    (await tokens.create({ role, name, types: null, lifeMs: null })).token
  const [admin, site, archive] = [
    await make('operator', 'admin'),
    await make('website', 'submit'),
    await make('archive', 'submit'),
  ]
  const worker = new HttpWorker(running.url, 'gpu-1', ['audio'], admin)
  for (const [token, count] of [
    [site, 3],
    [archive, 2],
  ] as const) {
    const client = new HttpWorker(running.url, 'client', [], token)
    for (let at = 0; at < count; at += 1) {
      await client.submit(`talk-${at}.mp3`, 'audio')
      const job = await worker.take()
      if (at === 2) await worker.fail(job, 'It is no recording.')
      else await worker.complete(job, [], { duration: 5_400 })
    }
  }
  const browser = await launch()
  t.after(async () => await browser.close())
  const view = { url: running.url, hash: '#/usage', expected: /401/, acceptDownloads: true }
  await inTab(browser, view, async ({ page, picture }) => {
    await page.getByLabel('Token').fill(site)
    await page.keyboard.press('Enter')
    await page.getByRole('row', { name: /^website/ }).waitFor()
    assert.equal(await page.locator('tbody tr').count(), 1)
    await page.getByRole('button', { name: 'Sign out' }).click()
    await page.getByLabel('Token').fill(admin)
    await page.keyboard.press('Enter')
    await page.getByRole('row', { name: /^archive/ }).waitFor()
    // How long the work took is not known.
    const lines = await page.locator('tr').allInnerTexts()
    assert.deepEqual(
      lines.map((line) => line.replace(/\t[\d.]+ s$/, '')),
      [
        'token\tjobs\tcompleted\tfailed\tcancelled\trecordings\twork',
        'website\t3\t2\t1\t0\t3 h',
        'archive\t2\t2\t0\t0\t3 h',
        'all\t5\t4\t1\t0\t6 h',
      ],
    )
    assert.deepEqual(await violationsIn(page), [])
    await picture('usage')
    const [download] = await Promise.all([
      page.waitForEvent('download'),
      page.getByRole('link', { name: 'Each day as CSV' }).click(),
    ])
    assert.match(download.suggestedFilename(), /^usage-.*\.csv$/)
    const chunks: Buffer[] = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk as Buffer)
    assert.match(Buffer.concat(chunks).toString(), /,website,3,2,1,0,10800,/)
    await page.getByLabel('Created in the last').selectOption('7')
    await page.waitForURL('**/#/usage?days=7')
    await page.getByRole('row', { name: /^website/ }).waitFor()
    for (const width of [320, 390]) {
      await page.setViewportSize({ width, height: 800 })
      assert.equal(await overhangOf(page), 0, `at ${width} pixels`)
    }
    await picture('usage-phone')
  })
})
