import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser } from 'playwright-core'
import { tokensIn } from '../coordinator/running.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { startWebServer } from '../coordinator/web-server.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { inTab, launch, skip, violationsIn } from './browser.ts'
import { HttpWorker } from './worker.ts'

const HEBREW = 'תמליל ישיבה 2026 (סופי).mp3'

const CLIP = fileURLToPath(new URL('../../agent/assets/jfk.wav', import.meta.url))

/** In the page: the cues of a job's track, as Chromium shows them, and the one that is shown at 4.5 s. */
const SHOWN_CUES = `async (job) => {
  const video = document.createElement('video')
  const track = document.createElement('track')
  Object.assign(track, { kind: 'subtitles', src: job + '/result.vtt', default: true })
  const event = (target, name) => new Promise((resolve) => target.addEventListener(name, resolve))
  const loaded = [event(track, 'load'), event(video, 'loadeddata')]
  video.append(track)
  Object.assign(video, { src: job + '/source', controls: true, muted: true, width: 640 })
  document.body.prepend(video)
  track.track.mode = 'showing'
  await Promise.all(loaded)
  const sought = event(video, 'seeked')
  video.currentTime = 4.5
  await sought
  // Cues follow the time a moment later.
  for (let i = 0; i < 600 && track.track.activeCues.length === 0; i++)
    await new Promise(requestAnimationFrame)
  const shown = (cue) => [cue.startTime, cue.endTime, cue.getCueAsHTML().textContent]
  return [...track.track.cues, ...track.track.activeCues].map(shown)
}`

describe('a person at the dashboard', { skip }, () => {
  const folder = tempFolder()
  const closedData = path.join(folder, 'closed')
  let open: RunningCoordinator
  /** Requires a token. */
  let closed: RunningCoordinator
  let browser: Browser
  /** By role. */
  const tokens: Record<string, string> = {}

  before(async () => {
    for (const role of ['admin', 'submit'] as const) {
      const wish = { role, name: role, types: null, lifeMs: null }
      tokens[role] = (await tokensIn(closedData).create(wish)).token
    }
    ;[open, closed, browser] = await Promise.all([
      startCoordinator(path.join(folder, 'open'), folder, {
        args: ['--source-allow', '127.0.0.1'],
      }),
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

  test('pastes the address of a recording, and is told why another is not taken', async (t) => {
    const web = await startWebServer(t)
    web.files.set('/jfk.wav', await readFile(CLIP))
    const paste = `(text) => {
      const clipboardData = new DataTransfer()
      clipboardData.setData('text/plain', text)
      const event = new ClipboardEvent('paste', { clipboardData, bubbles: true, cancelable: true })
      document.body.dispatchEvent(event)
    }`
    await inTab(browser, { url: open.url, expected: /404|422/ }, async ({ page }) => {
      await page.getByRole('heading', { name: 'Queue' }).waitFor()
      await page.evaluate(`(${paste})('${web.url}/none.wav')`)
      await page.getByText(/The address is not taken: .* has no such file/).waitFor()
      await page.evaluate(`(${paste})('${web.url}/jfk.wav?key=hush')`)
      await page.getByRole('heading', { name: 'jfk.wav' }).waitFor()
      await page.getByText(`${web.url}/jfk.wav?…`).waitFor()
      const jobId = page.url().split('/').at(-1)
      await fetch(`${open.url}/api/v1/remote-jobs/${jobId}/cancel`, { method: 'POST' })
    })
  })

  test('assigns a job to a worker by keyboard', async () => {
    const client = new HttpWorker(open.url, 'client', [])
    const hash = `#/jobs/${await client.submit('mine.mp3', 'speech')}`
    for (const id of ['gpu-1', 'gpu-2']) await new HttpWorker(open.url, id, []).beat(null)
    await inTab(browser, { url: open.url, hash }, async ({ page, picture }) => {
      await page.getByText('No worker for speech · Position 1 in the queue').waitFor()
      const assign = page.getByRole('button', { name: 'Assign to …' })
      await assign.focus()
      await page.keyboard.press('Enter')
      const which = page.getByLabel('Assign mine.mp3 to which worker?').and(page.locator('select'))
      await which.and(page.locator(':focus')).waitFor()
      await page.keyboard.press('ArrowDown')
      await picture('assign')
      await client.submit('other.mp3', 'talk')
      await page.getByText('2 problems need attention').first().waitFor()
      assert.equal(await assign.getAttribute('aria-busy'), 'true', 'also after a redraw')
      await page.keyboard.press('Escape')
      await assign.and(page.locator(':focus:not([aria-busy])')).waitFor()
      await page.keyboard.press('Enter')
      await which.and(page.locator(':focus')).waitFor()
      await page.keyboard.press('ArrowDown')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.getByText('Assigned to gpu-2.').waitFor()
      assert.equal(await page.getByText(/Assigned to/).count(), 1, 'Escape assigned nothing')
    })
  })

  test('reads right-to-left text right to left', async () => {
    const worker = new HttpWorker(open.url, 'scribe', ['lecture'])
    await worker.submit(HEBREW, 'lecture')
    const lines = ['שלום לכולם, ברוכים הבאים.', 'And in English.']
    const segments = lines.map((text, i) => ({ start: i * 5, end: i * 5 + 4, text }))
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
      await page.locator('.words').first().waitFor()
      assert.deepEqual(await areRtl('h1'), [true])
      assert.deepEqual(await areRtl('.words'), [true, false])
    })
  })

  describe('with a talk of two speakers', () => {
    const segments = [
      { start: 0, end: 4, text: 'And so my <fellow> Americans, & all of you:', speaker: 'JFK' },
      { start: 4, end: 4.3, text: 'Yes?', speaker: 'Ben & Co' },
      { start: 4.4, end: 4.7, text: 'No.', speaker: 'JFK' },
      { start: 6, end: 10, text: 'ask what you can do for your country.', speaker: 'JFK' },
    ]
    let result = ''

    before(async () => {
      const worker = new HttpWorker(open.url, 'scribe', ['talk of two'])
      const jobId = await worker.submit('jfk.wav', 'talk of two', await readFile(CLIP))
      await worker.complete(await worker.take(), segments)
      result = `api/v1/remote-jobs/${jobId}`
    })

    test('sees its subtitles in a track of a player', async () => {
      await inTab(browser, { url: open.url }, async ({ page, picture }) => {
        const cues = (await page.evaluate(`(${SHOWN_CUES})('/${result}')`)) as [
          number,
          number,
          string,
        ][]
        await picture('subtitles')
        const { tracks, active } = { tracks: cues.slice(0, -1), active: cues.at(-1) }
        assert.deepEqual(tracks, [
          [0, 3.92, 'And so my <fellow> Americans,\n& all of you:'],
          [4, 4.834, 'Yes?\nNo.'],
          [6, 10, 'ask what you can do for your country.'],
        ])
        assert.deepEqual(active, tracks[1])
      })
    })

    test('reads its page, which has no part in the coordinator, and plays a file in it', async () => {
      const hash = `${result}/result.html#t=6`
      await inTab(browser, { url: open.url, hash }, async ({ page, picture }) => {
        assert.equal(await page.evaluate('origin'), 'null')
        assert.equal(
          await page.locator('[aria-current]').textContent(),
          `0:06 ${segments[3]!.text}`,
        )
        await page.getByLabel('Play a file').setInputFiles(CLIP)
        await page.waitForFunction('document.querySelector("video").currentTime >= 6')
        await page.getByRole('link', { name: '0:04' }).first().click()
        await page.locator('[aria-current]').filter({ hasText: 'Yes?' }).waitFor()
        await page.getByLabel('Search').fill('YOU')
        await page.getByText('2 of 4 lines').waitFor()
        assert.equal(await page.locator('main p:visible').count(), 2)
        assert.deepEqual(await violationsIn(page), [])
        await picture('page')
      })
    })
  })

  test('signs in again after the session ended, and sees only what the new token may see', async () => {
    const { url } = closed
    for (const name of ['one.mp3', 'two.mp3', 'three.mp3'])
      await new HttpWorker(url, 'client', [], tokens['admin']!).submit(name, 'speech')
    await new HttpWorker(url, 'client', [], tokens['submit']!).submit('own.mp3', 'speech')
    const expected = /401 \(Unauthorized\)|502 \(Bad Gateway\)/
    await inTab(browser, { url, expected }, async ({ page }) => {
      const field = page.getByLabel('Token')
      await field.fill(tokens['admin']!)
      await field.press('Enter')
      await page.getByText('max 4').waitFor()
      await page.getByText(/No worker for speech: 4 speech jobs pending/).waitFor()
      await page.context().clearCookies()
      await page.getByRole('link', { name: 'two.mp3' }).click()
      await field.waitFor()
      assert.doesNotMatch(await page.content(), /two\.mp3/, 'nothing remains on the page')
      await page.goto(`${url}/#/`)
      await field.fill(tokens['submit']!)
      await field.press('Enter')
      await page.getByText('max 1').waitFor()
      assert.deepEqual(await page.locator('.row .name a').allTextContents(), ['own.mp3'])
      await page.goto(`${url}/#/workers`)
      await page.getByText('A token with the role “submit” cannot list workers.').waitFor()

      // While polling, the lack of access to the workers is no problem either.
      await page.route('**/api/v1/events', (route) => route.fulfill({ status: 502 }))
      await page.goto(`${url}/?again#/`)
      await page.getByText('polling', { exact: true }).waitFor()
      await page.getByRole('link', { name: 'own.mp3' }).waitFor()
      assert.equal(await page.locator('.banner').count(), 0)
    })
  })
})
