import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { after, before, describe, test, type TestContext } from 'node:test'
import type { Browser, Locator, Page } from 'playwright-core'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { mountDisk, NO_MOUNT } from '../faults/small-disk.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { inTab, launch, skip, violationsIn } from './browser.ts'
import { HttpWorker } from './worker.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const MIB = 1024 * 1024
const STEP_MS = 3 * 60_000
/** A preload that sets the program's clock ahead at SIGUSR2. */
const CLOCK_STEP = moduleUrl(new URL('../faults/clock-step.ts', import.meta.url))

// Each has its own coordinator: other problems would push its line out of sight. They run at the same time.
describe('the problems on the overview list', { skip, concurrency: true }, () => {
  let browser: Browser

  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  test('a worker that was set aside, until it completes a job or is resumed', async (t) => {
    const { url } = await started(t)
    const worker = new HttpWorker(url, 'clumsy', ['speech'])
    const failThree = async (names: readonly string[]): Promise<void> => {
      for (const name of names) {
        await worker.submit(name, 'speech')
        await worker.fail(await worker.take(), 'It has no memory left.', 'gpu_out_of_memory')
      }
    }
    await inTab(browser, { url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      await failThree(['one.mp3', 'two.mp3', 'three.mp3'])
      const setAside = line(page, /^Worker clumsy is set aside/)
      await setAside
        .getByText('Its last attempts failed, on 3 different jobs: gpu_out_of_')
        .waitFor()
      assert.match((await page.locator('.banner li').first().textContent()) ?? '', /^Worker clumsy/)
      await picture('set-aside')
      assert.deepEqual(await violationsIn(page), [])
      // As the only worker it still gets jobs.
      await worker.submit('good.mp3', 'speech')
      await worker.complete(await worker.take(), [])
      await setAside.waitFor({ state: 'detached' })

      await failThree(['four.mp3', 'five.mp3', 'six.mp3'])
      await setAside.getByRole('button', { name: 'Resume' }).click()
      await setAside.waitFor({ state: 'detached' })
    })
  })

  test('a webhook that keeps failing or refuses for good, until it accepts a delivery', async (t) => {
    const { url } = await started(t)
    let isWell = false
    const hook = createServer((request, response) => {
      const bad = request.url === '/gone' ? 410 : 500
      request.resume().on('end', () => response.writeHead(isWell ? 204 : bad).end())
    })
    t.after(() => hook.close())
    await once(hook.listen(0, '127.0.0.1'), 'listening')
    const receiver = `http://127.0.0.1:${(hook.address() as AddressInfo).port}`
    const worker = new HttpWorker(url, 'teller', ['video'])
    for (const name of ['broken', 'gone']) {
      await worker.process(`${name}.mp4`, 'video', `${receiver}/${name}`)
      await worker.complete(await worker.take(), [])
    }
    await inTab(browser, { url }, async ({ page, picture }) => {
      const failed = line(page, 'gone.mp4: webhook delivery failed, no more retries.')
      await failed.getByText(/410/).waitFor()
      const failing = line(page, 'broken.mp4: webhook delivery failed 3 times.')
      await failing.getByText(/500/).waitFor()
      await picture('webhook')
      isWell = true
      for (const one of [failing, failed]) {
        await one.getByRole('button', { name: 'Retry now' }).click()
        await one.waitFor({ state: 'detached' })
      }
      assert.equal(await page.locator('.banner').count(), 0)
    })
  })

  test('a worker that stopped sending heartbeats during a job, until the next one', async (t) => {
    const NODE_OPTIONS = [...LOADER, '--import', CLOCK_STEP].join(' ')
    const coordinator = await started(t, { env: { NODE_OPTIONS, CLOCK_STEP_MS: String(STEP_MS) } })
    const { url } = coordinator
    const worker = new HttpWorker(url, 'sleepy', ['lesson'])
    await worker.submit('long.mp3', 'lesson')
    const job = await worker.take()
    await worker.beat(job, 0.1)
    await inTab(browser, { url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      assert.equal(await page.locator('.banner').count(), 0)
      // Two minutes pass by setting the clocks of the coordinator and the page.
      coordinator.signal('SIGUSR2')
      await coordinator.line((text) => text.includes('the clock was set'))
      await page.clock.setSystemTime(Date.now() + STEP_MS)
      const lost = line(page, /^Worker sleepy is lost: last heartbeat 3 min ago\. It holds 1 job\./)
      await lost.waitFor()
      await picture('lost')
      await lost.getByRole('link').click()
      await page
        .locator('.card', { hasText: 'sleepy' })
        .getByText('lost', { exact: true })
        .waitFor()
      await page.getByRole('link', { name: '1 problem needs attention' }).click()
      await lost.waitFor()
      await worker.beat(job, 0.2)
      await page.locator('.banner').waitFor({ state: 'detached' })
    })
  })

  test('a disk that is almost full, until there is space', async (t) => {
    const disk = await mountDisk(60 * MIB)
    if (disk === null) return t.skip(NO_MOUNT)
    t.after(() => disk.release())
    const { url } = await started(t, { data: path.join(disk.dir, 'data') })
    const filler = path.join(disk.dir, 'filler')
    const { bavail, bsize } = statfsSync(disk.dir)
    writeFileSync(filler, Buffer.alloc(bavail * bsize - 2 * MIB))
    await inTab(browser, { url }, async ({ page, picture }) => {
      const full = line(page, /^Disk almost full: 2\.\d MB of 63 MB free\./)
      await full.getByText('Delete old jobs, or free disk space.').waitFor()
      await picture('disk')
      rmSync(filler)
      await full.waitFor({ state: 'detached' })
      assert.equal(await page.locator('.banner').count(), 0)
    })
  })
})

async function started(
  t: TestContext,
  { data, env = {} }: { data?: string; env?: Record<string, string> } = {},
): Promise<RunningCoordinator> {
  const folder = tempFolder()
  const dir = data ?? path.join(folder, 'data')
  mkdirSync(dir)
  const args = ['--webhook-allow', '127.0.0.1', '--max-retries', '0']
  const coordinator = await startCoordinator(dir, folder, { args, env })
  t.after(async () => {
    coordinator.signal('SIGTERM')
    await coordinator.ended
  })
  return coordinator
}

/** The problem with this text. */
function line(page: Page, text: string | RegExp): Locator {
  return page.locator('.banner li').filter({ has: page.getByText(text) })
}
