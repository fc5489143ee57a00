import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import type { Browser, Page, Route } from 'playwright-core'
import { tokensIn } from '../coordinator/running.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { startAgent } from '../conversion-set-up.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { launch, inTab, overhangOf, skip, violationsIn } from './browser.ts'
import { HttpWorker } from './worker.ts'

const CLIP = fileURLToPath(new URL('../../agent/assets/jfk.wav', import.meta.url))

const KEY = 'k'.repeat(40)

describe('the dashboard in a browser', { skip }, () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  /** Requires a token. */
  let closed: RunningCoordinator
  let browser: Browser

  before(async () => {
    ;[coordinator, closed, browser] = await Promise.all([
      startCoordinator(path.join(folder, 'data'), folder),
      startCoordinator(path.join(folder, 'closed'), folder, { env: { MORAG_API_KEY: KEY } }),
      launch(),
    ])
  })
  after(async () => {
    await browser.close()
    for (const one of [coordinator, closed]) {
      one.signal('SIGTERM')
      await one.ended
    }
  })

  test('a chosen file is uploaded and followed to its transcript, which is played and searched', async (t) => {
    const agent = startAgent(coordinator.url, folder, 'real-agent')
    t.after(async () => {
      agent.signal('SIGTERM')
      await agent.ended
    })
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      await page.getByLabel('Upload files').setInputFiles(CLIP)
      await page.getByRole('heading', { name: 'jfk.wav' }).waitFor()
      assert.match(page.url(), /#\/jobs\/[0-9a-f-]{36}$/)
      await page.locator('.title .chip.completed').waitFor()

      const line = page.locator('.line', { hasText: /ask not what your country/i }).first()
      await line.waitFor()
      await page.locator('.waveform .peaks[d^="M"]').waitFor({ state: 'attached' })
      assert.ok((await page.locator('.waveform .bar').count()) > 0, 'speech')
      await line.locator('.words').click()
      await page.locator('.line[aria-current]').waitFor()
      const current = await page.locator('.line[aria-current] .words').textContent()
      assert.equal(current, await line.locator('.words').textContent(), 'the clicked line')
      await playedBeyond(page, 0.2)

      await page.getByPlaceholder('Search transcript').fill('COUNTRY')
      await page.locator('mark').first().waitFor()
      assert.match((await page.locator('.search output').textContent()) ?? '', /^1 of \d+ lines?$/)
      assert.equal(await page.locator('.line.match').count(), 1)
      await page.getByPlaceholder('Search transcript').fill('not in the transcript')
      await page.getByText('no matches').waitFor()
      assert.equal(await page.locator('.line.match').count(), 0, 'no line stays outlined')
      const [download] = await Promise.all([
        page.waitForEvent('download'),
        page.getByRole('link', { name: 'Download as srt' }).click(),
      ])
      assert.equal(download.suggestedFilename(), 'jfk.srt')
      assert.match(await readFile(await download.path(), 'utf8'), /^1\r?\n00:00:0\d,\d+ --> /)
      await picture('transcript')
    })
  })

  test('a dropped file is uploaded, its progress shown, then the job is cancelled and deleted', async () => {
    const worker = new HttpWorker(coordinator.url, 'by-hand', ['video'])
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      await drop(page, 'holiday.mp4', 'video/mp4')
      await page.getByRole('heading', { name: 'holiday.mp4' }).waitFor()
      const job = await worker.take()
      await worker.beat(job, 0.42)
      const bar = page.getByRole('progressbar', { name: 'Progress of holiday.mp4' })
      await bar.and(page.locator('[value="0.42"]')).waitFor()
      await page.getByText('42 %').first().waitFor()
      await picture('progress')
      await page.getByRole('button', { name: 'Cancel', exact: true }).click()
      await page.locator('.title .chip.cancelled').waitFor()

      await page.getByRole('button', { name: 'Delete' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Cancel' }).click()
      await page.locator('.title .chip.cancelled').waitFor()
      await page.getByRole('button', { name: 'Delete' }).click()
      await page.getByRole('dialog').getByRole('button', { name: 'Delete' }).click()
      await page.getByText('holiday.mp4 deleted.').waitFor()
      await page.getByRole('heading', { name: 'Jobs' }).waitFor()
      assert.equal(await page.locator('.row', { hasText: 'holiday.mp4' }).count(), 0)
    })
  })

  test('a transcript shows its warnings, also without segments', async () => {
    const worker = new HttpWorker(coordinator.url, 'careful', ['lecture'])
    const warnings = ['No speech was found: <b>the transcript</b> is empty.', 'It is cut off.']
    const jobs: string[] = []
    for (const segments of [[], [{ start: 0, end: 1, text: 'Hello.' }]]) {
      jobs.push(await worker.submit('talk.ogg', 'lecture'))
      await worker.complete(await worker.take(), segments, { warnings })
    }
    await inTab(browser, { url: coordinator.url }, async ({ page }) => {
      for (const job of jobs) {
        await page.goto(`${coordinator.url}/#/jobs/${job}`)
        const listed = page.getByRole('list', { name: 'Warnings' }).getByRole('listitem')
        await listed.first().waitFor()
        assert.deepEqual(await listed.allTextContents(), warnings)
        assert.deepEqual(await violationsIn(page), [])
      }
    })
  })

  test('a failed job is a problem on the overview, and its page shows the error and retries it', async () => {
    const worker = new HttpWorker(coordinator.url, 'unlucky', ['podcast'])
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      assert.equal(await page.locator('.banner').count(), 0)
      const evil = '<img src=x onerror=alert(1)>.ogg'
      await worker.submit(evil, 'podcast')
      await page.getByText(/No worker for podcast: 1 podcast job pending/).waitFor()
      await worker.fail(await worker.take(), 'The file ends in the <b>middle</b>.')

      await page.getByRole('link', { name: `${evil} failed.` }).click()
      await page.locator('.job-status').getByText('The file ends in the <b>middle</b>.').waitFor()
      await picture('failed')
      await page.getByRole('button', { name: 'Retry' }).click()
      await page.locator('.title .chip.pending').waitFor()
      const again = await worker.take()
      await worker.complete(again, [
        { start: 0, end: 2, text: '<script>alert(2)</script>', speaker: 'Anna' },
        { start: 2, end: 60, text: 'Better.', speaker: 'Ben' },
      ])
      await page.getByText('<script>alert(2)</script>').waitFor()
      assert.deepEqual(await page.locator('.speaker').allTextContents(), ['Anna', 'Ben'])
      // The counts of the queue come at most once a second.
      await page.locator('.banner').waitFor({ state: 'detached' })
      assert.equal(await page.locator('main img, main script').count(), 0)
    })
  })

  test('the text of a running job grows as its agent reports, until the transcript is there', async () => {
    const worker = new HttpWorker(coordinator.url, 'reader', ['reading'])
    const id = await worker.submit('talk.wav', 'reading', await readFile(CLIP))
    const job = await worker.take()
    const segments = ['Good morning.', 'How are', 'you today?'].map((text, i) => ({
      start: i,
      end: i + 1,
      text,
    }))
    const upTo = (count: number): object => ({
      seconds: 60,
      voices: [{ speech: [], doneUntil: count }],
      segments: segments.slice(0, count),
    })
    await inTab(
      browser,
      { url: coordinator.url, hash: `#/jobs/${id}` },
      async ({ page, picture }) => {
        const heading = page.getByRole('heading', { name: 'Recognised so far' })
        await page.getByText('live', { exact: true }).waitFor()
        await heading.waitFor({ state: 'hidden' })
        await worker.beat(job, 0.1, upTo(1))
        const words = page.locator('.so-far .words')
        await words.filter({ hasText: 'Good morning.' }).waitFor()
        await worker.beat(job, 0.2, upTo(2))
        await words.filter({ hasText: /^How are$/ }).waitFor()
        await page.reload()
        await words.filter({ hasText: /^How are$/ }).waitFor()
        await worker.beat(job, 0.3, upTo(3))
        await words.filter({ hasText: /^How are you today\?$/ }).waitFor()
        assert.deepEqual(await words.allTextContents(), ['Good morning.', 'How are you today?'])
        assert.deepEqual(await violationsIn(page), [])
        await picture('so-far')
        await worker.complete(job, segments)
        await page.locator('.transcript .words').first().waitFor()
        assert.equal(await heading.count(), 0)
      },
    )
  })

  test('a speaker is named by a click, everywhere and for good, until the name is cleared', async () => {
    const worker = new HttpWorker(coordinator.url, 'namer', ['meeting'])
    const job = await worker.submit('talk.wav', 'meeting', await readFile(CLIP))
    const segments = ['Speaker_00', 'Speaker_01', 'Speaker_00'].map((speaker, i) => ({
      start: i,
      end: i + 1,
      text: `Sentence ${i}.`,
      speaker,
    }))
    await worker.complete(await worker.take(), segments)
    const text = async (): Promise<string> =>
      await (await fetch(`${coordinator.url}/api/v1/remote-jobs/${job}/result.txt`)).text()
    const hash = `#/jobs/${job}`
    await inTab(browser, { url: coordinator.url, hash }, async ({ page, picture }) => {
      const names = page.locator('.speaker')
      await names.first().click()
      const field = page.getByLabel('Name of Speaker_00')
      await field.pressSequentially('Anna')
      assert.deepEqual(await violationsIn(page), [])
      await picture('naming')
      await page.keyboard.press('Enter')
      await page.getByText('Speaker_00 is Anna.').waitFor()
      assert.deepEqual(await names.allTextContents(), ['Anna', 'Speaker_01', 'Anna'])
      assert.match(await text(), /^Anna: Sentence 0\.\nSpeaker_01: /)
      assert.equal(await page.locator('.line[aria-current]').count(), 0, 'no seek')

      await page.reload()
      await names.nth(2).click()
      await field.fill('Somebody')
      await page.keyboard.press('Escape')
      assert.deepEqual(await names.allTextContents(), ['Anna', 'Speaker_01', 'Anna'])
      await page.keyboard.press('Enter')
      await field.fill('')
      await page.keyboard.press('Enter')
      await page.getByText('Speaker_00 has no name now.').waitFor()
      assert.deepEqual(await names.allTextContents(), ['Speaker_00', 'Speaker_01', 'Speaker_00'])
      assert.match(await text(), /^Speaker_00: Sentence 0\./)
    })
  })

  test('a click on a line, a chapter or the waveform seeks, and the spoken line is marked', async () => {
    const worker = new HttpWorker(coordinator.url, 'listener', ['interview'])
    await worker.submit('talk.wav', 'interview', await readFile(CLIP))
    const job = await worker.take()
    const lines = ['Good morning.', 'What can you do?', 'I can wait.', 'Then wait.']
    const segments = lines.map((text, i) => ({ start: i * 2.5, end: i * 2.5 + 2, text }))
    const chapters = [
      { start: 0, end: 5, title: 'Greeting' },
      { start: 5, end: 10, title: 'Waiting' },
    ]
    await worker.complete(job, segments, { chapters })
    const hash = `#/jobs/${job.job_id}`
    await inTab(browser, { url: coordinator.url, hash }, async ({ page }) => {
      await page.getByText('Chapters (2)').click()
      await page.getByRole('button', { name: 'Waiting' }).click()
      await page.locator('.line[aria-current]', { hasText: 'I can wait.' }).waitFor()
      await page.locator('.line', { hasText: 'Good morning.' }).click()
      await page.locator('.line[aria-current]', { hasText: 'Good morning.' }).waitFor()
      await page.locator('.line', { hasText: 'I can wait.' }).click()
      await page.locator('.line[aria-current]', { hasText: 'I can wait.' }).waitFor()
      await playedBeyond(page, 5)
      await page.locator('.waveform').click({ position: { x: 12, y: 20 } })
      await page.locator('.line[aria-current]', { hasText: 'Good morning.' }).waitFor()
      await page.locator('.line[aria-current]', { hasText: 'What can you do?' }).waitFor()
    })
  })

  test('a link of a chunk opens at its second, and unsure words are underlined on request', async () => {
    const worker = new HttpWorker(coordinator.url, 'linker', ['panel'])
    await worker.submit('talk.wav', 'panel', await readFile(CLIP))
    const job = await worker.take()
    await worker.complete(job, [
      { start: 0, end: 4, text: 'Good morning.', confidence: 0.9 },
      { start: 4, end: 8, text: 'What can you do?', confidence: 0.3 },
    ])
    const route = `${coordinator.url}/api/v1/remote-jobs/${job.job_id}/result.chunks.jsonl`
    const chunk = JSON.parse(await (await fetch(route)).text()) as { source: { href: string } }
    const href = chunk.source.href.replace('#t=0', '#t=5')
    await inTab(browser, { url: coordinator.url }, async ({ page }) => {
      await page.goto(coordinator.url + href)
      await page.locator('.line.match', { hasText: 'What can you do?' }).waitFor()
      const at = await page
        .locator('audio')
        .evaluate((player: { currentTime: number }) => player.currentTime)
      assert.equal(at, 5)
      assert.match(page.url(), /\/#\/jobs\/[^?]+\?t=5$/)
      const underlined = async (): Promise<number> =>
        await page.evaluate<number>(
          `[...document.querySelectorAll('.words')].filter((one) => getComputedStyle(one).textDecorationLine === 'underline').length`,
        )
      assert.equal(await underlined(), 0)
      await page.getByLabel('Underline low confidence').check()
      assert.equal(await underlined(), 1)
      assert.deepEqual(await violationsIn(page), [])
    })
  })

  test('a worker is drained from its card, and resumed', async () => {
    await new HttpWorker(coordinator.url, 'gpu-7', ['audio']).beat(null)
    await inTab(browser, { url: coordinator.url, hash: '#/workers' }, async ({ page }) => {
      const card = page.locator('.card', { hasText: 'gpu-7' })
      await card.getByText(/GPU of a test · echo · large · version 1\.2\.3/).waitFor()
      await card.getByRole('button', { name: 'Drain' }).click()
      await card.getByText('drained', { exact: true }).waitFor()
      await card.getByRole('button', { name: 'Resume' }).click()
      await card.getByText('idle', { exact: true }).waitFor()
    })
  })

  test('a lost worker can be removed on its card, a live one cannot', async () => {
    const gone = new HttpWorker(coordinator.url, 'gone', ['audio'])
    await gone.beat(null)
    await inTab(browser, { url: coordinator.url, hash: '#/workers' }, async ({ page }) => {
      const card = page.locator('.card', { hasText: 'gone' })
      await card.getByRole('button', { name: 'Drain' }).waitFor()
      const remove = card.getByRole('button', { name: 'Remove' })
      assert.equal(await remove.count(), 0, 'it is live')
      await page.clock.setSystemTime(Date.now() + 5 * 60_000)
      await card.getByText('lost', { exact: true }).waitFor()
      await remove.click()
      const dialog = page.getByRole('dialog')
      await dialog.getByRole('button', { name: 'Cancel' }).click()
      await card.waitFor()
      await remove.click()
      assert.deepEqual(await violationsIn(page), [])
      await dialog.getByRole('button', { name: 'Remove' }).click()
      await page.getByText('gone removed.').waitFor()
      await card.waitFor({ state: 'detached' })
    })
    const { workers } = (await (await fetch(`${coordinator.url}/api/v1/workers`)).json()) as {
      workers: { worker_id: string }[]
    }
    assert.ok(workers.every(({ worker_id }) => worker_id !== 'gone'))
  })

  test('jobs are filtered by the URL, and older ones fetched page by page', async () => {
    const client = new HttpWorker(coordinator.url, 'client', [])
    for (let i = 0; i < 55; i += 1) await client.submit(`page ${i}.pdf`, 'document')
    await inTab(browser, { url: coordinator.url, hash: '#/jobs' }, async ({ page }) => {
      await page.getByLabel('Type').selectOption('document')
      await page.waitForURL(/#\/jobs\?type=document$/)
      const rows = page.locator('.row')
      await rows.filter({ hasText: 'page 5.pdf' }).waitFor()
      assert.equal(await rows.count(), 50)
      await page.getByRole('button', { name: 'Show older' }).click()
      await rows.filter({ hasText: 'page 0.pdf' }).waitFor()
      assert.equal(await rows.count(), 55)
      await page.getByLabel('Search').pressSequentially('PAGE')
      await page.waitForURL(/text=PAGE$/)
      await page.keyboard.type(' 5')
      await page.waitForURL(/text=PAGE\+5/)
      await rows.filter({ hasText: 'page 1.pdf' }).waitFor({ state: 'detached' })
      assert.equal(await rows.count(), 6, '5 and 50 to 54')
      await page.reload()
      await rows.filter({ hasText: 'page 54.pdf' }).waitFor()
      assert.equal(await page.getByLabel('Search').inputValue(), 'PAGE 5')
    })
  })

  test('without the event stream it polls', async () => {
    const client = new HttpWorker(coordinator.url, 'client', [])
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.route('**/api/v1/events', (route) => route.fulfill({ status: 502 }))
    await page.goto(`${coordinator.url}/#/jobs`)
    await page.getByText('polling', { exact: true }).waitFor()
    await client.submit('late.pdf', 'document')
    await page.locator('.row', { hasText: 'late.pdf' }).waitFor()
    await context.close()
  })

  test('a page whose modules fail to load reloads itself', async () => {
    const context = await browser.newContext()
    const page = await context.newPage()
    await page.route('**/store.js', (route) => route.abort('connectionreset'), { times: 1 })
    await page.goto(coordinator.url)
    await page.getByText('live', { exact: true }).waitFor()
    await context.close()
  })

  test('it reconnects when the coordinator is back', async (t) => {
    const data = path.join(folder, 'restarted')
    const first = await startCoordinator(data, folder)
    await inTab(browser, { url: first.url, expected: /ERR_/ }, async ({ page }) => {
      await page.getByText('live', { exact: true }).waitFor()
      await page.clock.install()
      first.signal('SIGKILL')
      await first.ended
      await page.getByText('connecting', { exact: true }).waitFor()
      await page.clock.fastForward(5_000)
      await page.waitForEvent('requestfailed', (request) => request.url().endsWith('/events'))
      await page.clock.fastForward(5_000)
      await page.getByText('disconnected', { exact: true }).waitFor()
      // The stream waits for an answer meanwhile, so that polling is the first to find the coordinator back.
      const held: Route[] = []
      await page.route('**/events', (route) => void held.push(route))
      await page.getByRole('link', { name: 'Jobs', exact: true }).click()
      await page.locator('.empty').getByText('Cannot reach the coordinator.').waitFor()
      assert.equal(await page.locator('.notice').count(), 0, 'no notice repeats it')
      const args = ['--port', new URL(first.url).port]
      const second = await startCoordinator(data, folder, { args })
      t.after(async () => {
        second.signal('SIGTERM')
        await second.ended
      })
      await new HttpWorker(second.url, 'client', []).submit('after.pdf', 'document')
      await page.clock.fastForward(5_000)
      await page.clock.fastForward(9_000)
      await page.getByText('polling', { exact: true }).waitFor()
      await page.unroute('**/events')
      // Those that the page has given up are handled already.
      for (const route of held) await route.abort().catch(() => undefined)
      await page.clock.fastForward(5_000)
      await page.getByText('live', { exact: true }).waitFor({ timeout: 10_000 })
      await page.getByRole('link', { name: 'after.pdf' }).waitFor()
    })
  })

  test('every view fits a phone and is accessible, in light and dark', async () => {
    const worker = new HttpWorker(coordinator.url, 'steady', ['lecture'])
    await worker.submit('a_name_without_any_place_to_break_'.repeat(6), 'lecture')
    const done = await worker.take()
    const segments = ['Anna', 'Ben', 'Cleo'].map((speaker, i) => ({
      start: i * 20,
      end: i * 20 + 15,
      text: `This is what ${speaker} says. `.repeat(5),
      speaker,
      flags: ['no_speech'],
    }))
    await worker.complete(done, segments)
    const failed = await worker.submit('bad.mp3', 'lecture')
    await worker.fail(await worker.take(), 'It is broken. '.repeat(100))
    await worker.submit('now.mp3', 'lecture')
    await worker.beat(await worker.take(), 0.3)
    const views = {
      overview: '#/',
      jobs: '#/jobs',
      workers: '#/workers',
      usage: '#/usage',
      job: `#/jobs/${failed}`,
      transcript: `#/jobs/${done.job_id}`,
    }
    for (const colorScheme of ['light', 'dark'] as const) {
      const options = { colorScheme, viewport: { width: 360, height: 740 } }
      await inTab(browser, { url: coordinator.url, ...options }, async ({ page, picture }) => {
        await page.getByText('live', { exact: true }).waitFor()
        for (const [name, hash] of Object.entries(views)) {
          await page.goto(`${coordinator.url}/${hash}`)
          await page.locator('.rows, .cards, .facts, .types').first().waitFor()
          if (name === 'transcript') await page.locator('.line').first().waitFor()
          assert.equal(await overhangOf(page), 0, `${name} is wider than a phone`)
          assert.deepEqual(await violationsIn(page), [], `${name}, ${colorScheme}`)
          await picture(`${name}-phone-${colorScheme}`)
          await page.setViewportSize({ width: 1280, height: 800 })
          await picture(`${name}-desktop-${colorScheme}`)
          await page.setViewportSize(options.viewport)
        }
      })
    }
  })

  test('it works without a mouse', async () => {
    await inTab(browser, { url: coordinator.url }, async ({ page }) => {
      await page.locator('.rows').waitFor()
      await page.keyboard.press('Tab')
      await page.keyboard.press('Enter')
      await page.keyboard.press('Tab')
      assert.equal(
        await page.locator('main :focus').count(),
        1,
        'the skip link leads to the content',
      )
      await page.goto(`${coordinator.url}/#/jobs?type=podcast`)
      await page.locator('.row a').focus()
      await page.keyboard.press('Enter')
      await page.locator('.line .time').first().waitFor()
      await page.locator('.line .time').first().focus()
      await page.keyboard.press('ArrowDown')
      assert.equal(await page.locator(':focus').textContent(), '0:02')
    })
  })

  test('sign-in takes a valid token and refuses another; sign-out ends the session', async () => {
    await inTab(
      browser,
      { url: closed.url, expected: /401 \(Unauthorized\)/ },
      async ({ page, picture }) => {
        const field = page.getByLabel('Token')
        await field.fill('a bad one')
        await page.getByRole('button', { name: 'Sign in' }).click()
        await page.getByText('Invalid token.').waitFor()
        await picture('sign-in')
        assert.deepEqual(await violationsIn(page), [])
        await field.fill(KEY)
        await field.press('Enter')
        await page.getByText('live', { exact: true }).waitFor()
        const [cookie] = await page.context().cookies()
        assert.equal(cookie?.httpOnly, true)
        assert.equal(cookie?.sameSite, 'Strict')
        await page.reload()
        await page.getByText('live', { exact: true }).waitFor()
        await page.getByLabel('Upload files').setInputFiles({
          name: 'secret.mp3',
          mimeType: 'audio/mpeg',
          buffer: Buffer.from('speech'),
        })
        await page.getByRole('heading', { name: 'secret.mp3' }).waitFor()
        await page.getByRole('button', { name: 'Sign out' }).click()
        await field.waitFor()
        assert.doesNotMatch(await page.content(), /secret\.mp3/, 'nothing remains on the page')
        assert.deepEqual(await page.context().cookies(), [])
        const wish = { role: 'read', name: 'auditor', types: null, lifeMs: null } as const
        const { token } = await tokensIn(path.join(folder, 'closed')).create(wish)
        await field.fill(token)
        await field.press('Enter')
        await page.getByRole('heading', { name: 'secret.mp3' }).waitFor()
        await page.locator('.facts').waitFor()
        assert.equal(await page.locator('#top .send').count(), 0, 'the role read uploads nothing')
        assert.equal(await page.locator('header.job button').count(), 0, 'and changes nothing')
      },
    )
  })
})

/** Drops a file on the page. */
async function drop(page: Page, name: string, type: string): Promise<void> {
  const dataTransfer = await page.evaluateHandle(
    ([filename, mediaType]) => {
      const { DataTransfer, File } = globalThis as unknown as {
        DataTransfer: new () => { items: { add(file: object): void } }
        File: new (parts: string[], name: string, options: { type: string }) => object
      }
      const transfer = new DataTransfer()
      transfer.items.add(new File(['speech'], filename!, { type: mediaType! }))
      return transfer
    },
    [name, type],
  )
  for (const event of ['dragenter', 'dragover', 'drop'])
    await page.dispatchEvent('main', event, { dataTransfer })
}

/** Waits until playback has passed a position. */
async function playedBeyond(page: Page, seconds: number): Promise<void> {
  await page.waitForFunction((from) => {
    const { document } = globalThis as unknown as {
      document: { querySelector(name: string): { currentTime: number; paused: boolean } | null }
    }
    const player = document.querySelector('audio')
    return player !== null && !player.paused && player.currentTime > from
  }, seconds)
}
