import assert from 'node:assert/strict'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { Tokens } from '../../coordinator/access/tokens.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { inTab, launch, skip } from './browser.ts'
import { HttpWorker } from './worker.ts'

const HEBREW = 'תמליל ישיבה 2026 (סופי).mp3'

describe('whoever uses the dashboard', { skip }, () => {
  const folder = tempFolder()
  const closedData = path.join(folder, 'closed')
  let open: RunningCoordinator
  /** One that asks for a token. */
  let closed: RunningCoordinator
  let browser: Browser
  /** By role. */
  const tokens: Record<string, string> = {}

  before(async () => {
    for (const role of ['admin', 'submit'] as const) {
      const wish = { role, name: role, types: null, lifeMs: null }
      tokens[role] = (await new Tokens(closedData, Date.now).create(wish)).token
    }
    ;[open, closed, browser] = await Promise.all([
      startCoordinator(path.join(folder, 'open'), folder),
      startCoordinator(closedData, folder),
      launch(),
    ])
  })
  after(async () => {
    await browser.close()
    for (const one of [open, closed]) {
      one.signal('SIGTERM')
      await one.ended
    }
  })

  test('gives a job to a worker by keys alone', async () => {
    const client = new HttpWorker(open.url, 'nobody', [])
    const hash = `#/jobs/${await client.submit('mine.mp3', 'speech')}`
    for (const id of ['gpu-1', 'gpu-2']) await new HttpWorker(open.url, id, []).beat(null)
    await inTab(browser, { url: open.url, hash }, async ({ page, picture }) => {
      await page.getByText('Waits at place 1 of its queue; no worker takes speech.').waitFor()
      const give = page.getByRole('button', { name: 'Give it to …' })
      await give.focus()
      await page.keyboard.press('Enter')
      const which = page.getByLabel('Keep mine.mp3 for which worker?').and(page.locator('select'))
      await which.and(page.locator(':focus')).waitFor()
      await page.keyboard.press('ArrowDown')
      await picture('give')
      await client.submit('other.mp3', 'talk')
      await page.getByText('2 things need a look').first().waitFor()
      assert.equal(await give.getAttribute('aria-busy'), 'true', 'however often the page is drawn')
      await page.keyboard.press('Escape')
      await give.and(page.locator(':focus:not([aria-busy])')).waitFor()
      await page.keyboard.press('Enter')
      await which.and(page.locator(':focus')).waitFor()
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.getByText('It is kept for gpu-2.').waitFor()
      assert.equal(await page.getByText(/It is kept for/).count(), 1, 'the first time it was left')
    })
  })

  test('reads from right to left what is written so', async () => {
    const worker = new HttpWorker(open.url, 'scribe', ['lecture'])
    await worker.submit(HEBREW, 'lecture')
    const said = ['שלום לכולם, ברוכים הבאים.', 'And in English.']
    const segments = said.map((text, i) => ({ start: i * 5, end: i * 5 + 4, text }))
    await worker.complete(await worker.take(), segments)
    await inTab(browser, { url: open.url, hash: '#/jobs?type=lecture' }, async ({ page }) => {
      const areRtl = async (selector: string): Promise<boolean[]> =>
        await page.locator(selector).evaluateAll((all) => {
          const elements = all as unknown as { matches(selector: string): boolean }[]
          return elements.map((one) => one.matches(':dir(rtl)'))
        })
      const link = page.getByRole('link', { name: HEBREW })
      await link.waitFor()
      assert.deepEqual(await areRtl('.row a'), [true])
      await link.click()
      await page.locator('.said').first().waitFor()
      assert.deepEqual(await areRtl('h1'), [true])
      assert.deepEqual(await areRtl('.said'), [true, false])
    })
  })

  test('is asked for a token again when the session has ended, and then sees what is for that one alone', async () => {
    const { url } = closed
    for (const name of ['one.mp3', 'two.mp3', 'three.mp3'])
      await new HttpWorker(url, 'nobody', [], tokens['admin']!).submit(name, 'speech')
    await new HttpWorker(url, 'nobody', [], tokens['submit']!).submit('own.mp3', 'speech')
    const expected = /401 \(Unauthorized\)|502 \(Bad Gateway\)/
    await inTab(browser, { url, expected }, async ({ page }) => {
      const field = page.getByLabel('Token')
      await field.fill(tokens['admin']!)
      await field.press('Enter')
      await page.getByText('top 4').waitFor()
      await page.getByText(/4 speech jobs wait.*no worker takes speech/).waitFor()
      await page.context().clearCookies()
      await page.getByRole('link', { name: 'two.mp3' }).click()
      await field.waitFor()
      assert.doesNotMatch(await page.content(), /two\.mp3/, 'nothing stays to be read')
      await page.goto(`${url}/#/`)
      await field.fill(tokens['submit']!)
      await field.press('Enter')
      await page.getByText('top 1').waitFor()
      assert.deepEqual(await page.locator('.row .name a').allTextContents(), ['own.mp3'])
      await page.goto(`${url}/#/workers`)
      await page.getByText('your token shows what it has sent').waitFor()

      // Asked for instead of told, what it may not know is no trouble.
      await page.route('**/api/v1/events', (route) => route.fulfill({ status: 502 }))
      await page.goto(`${url}/?again#/`)
      await page.getByText('every few seconds', { exact: true }).waitFor()
      await page.getByRole('link', { name: 'own.mp3' }).waitFor()
      assert.equal(await page.locator('.banner').count(), 0)
    })
  })
})
