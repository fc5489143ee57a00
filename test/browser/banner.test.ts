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
/** Loaded into a program it sets its clock ahead at SIGUSR2. */
const CLOCK_STEP = moduleUrl(new URL('../faults/clock-step.ts', import.meta.url))

// Each with a coordinator of its own: no other trouble pushes its line out of sight, and they wait together.
describe('what needs a person', { skip, concurrency: true }, () => {
  let browser: Browser

  before(async () => {
    browser = await launch()
  })
  after(() => browser.close())

  test('is a worker that fails whatever it gets, until it does something well or is trusted again', async (t) => {
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
      const aside = line(page, 'Worker clumsy is set aside: it gets nothing that another could do.')
      await aside.getByText('Its last attempts failed, on 3 different jobs: gpu_out_of_').waitFor()
      assert.match((await page.locator('.banner li').first().textContent()) ?? '', /^Worker clumsy/)
      await picture('set-aside')
      assert.deepEqual(await violationsIn(page), [])
      // Nobody else is here, so it still gets what there is.
      await worker.submit('good.mp3', 'speech')
      await worker.complete(await worker.take(), [])
      await aside.waitFor({ state: 'detached' })

      await failThree(['four.mp3', 'five.mp3', 'six.mp3'])
      await aside.getByRole('button', { name: 'Trust it again' }).click()
      await aside.waitFor({ state: 'detached' })
    })
  })

  test('is a webhook that fails again and again, or wants no more, until it takes what it is sent', async (t) => {
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
      const given = line(page, 'gone.mp4: telling its webhook has been given up.')
      await given.getByText(/410/).waitFor()
      const failing = line(page, 'broken.mp4: telling its webhook has failed 3 times.')
      await failing.getByText(/500/).waitFor()
      await picture('webhook')
      isWell = true
      for (const one of [failing, given]) {
        await one.getByRole('button', { name: 'Try again now' }).click()
        await one.waitFor({ state: 'detached' })
      }
      assert.equal(await page.locator('.banner').count(), 0, 'all is well')
    })
  })

  test('is a worker that has fallen silent over its job, until it is heard again', async (t) => {
    const NODE_OPTIONS = [...LOADER, '--import', CLOCK_STEP].join(' ')
    const coordinator = await started(t, { env: { NODE_OPTIONS, CLOCK_STEP_MS: String(STEP_MS) } })
    const { url } = coordinator
    const worker = new HttpWorker(url, 'sleepy', ['lesson'])
    await worker.submit('long.mp3', 'lesson')
    const job = await worker.take()
    await worker.beat(job, 0.1)
    await inTab(browser, { url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      assert.equal(await page.locator('.banner').count(), 0, 'all is well')
      // Nobody waits for two minutes here: all clocks are set.
      coordinator.signal('SIGUSR2')
      await coordinator.line((text) => text.includes('the clock was set'))
      await page.clock.setSystemTime(Date.now() + STEP_MS)
      const lost = line(page, /^Worker sleepy was last heard of 3 min ago\. It had 1 job\./)
      await lost.waitFor()
      await picture('lost')
      await lost.getByRole('link').click()
      await page.locator('.card', { hasText: 'sleepy' }).getByText('not heard of').waitFor()
      await page.getByRole('link', { name: '1 thing needs a look' }).click()
      await lost.waitFor()
      await worker.beat(job, 0.2)
      await page.locator('.banner').waitFor({ state: 'detached' })
    })
  })

  test('is a disk that is nearly full, until there is room', async (t) => {
    const disk = await mountDisk(60 * MIB)
    if (disk === null) return t.skip(NO_MOUNT)
    t.after(() => disk.release())
    const { url } = await started(t, { data: path.join(disk.dir, 'data') })
    const filler = path.join(disk.dir, 'filler')
    const { bavail, bsize } = statfsSync(disk.dir)
    writeFileSync(filler, Buffer.alloc(bavail * bsize - 2 * MIB))
    await inTab(browser, { url }, async ({ page, picture }) => {
      const full = line(page, /^The disk is nearly full: 2\.\d MB of 63 MB are free\./)
      await full.getByText('Remove jobs that are no longer needed, or make room').waitFor()
      await picture('disk')
      rmSync(filler)
      await full.waitFor({ state: 'detached' })
      assert.equal(await page.locator('.banner').count(), 0, 'all is well')
    })
  })
})

/** A coordinator that ends with the test. */
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

/** That one of the things that need a look. */
function line(page: Page, text: string | RegExp): Locator {
  return page.locator('.banner li').filter({ has: page.getByText(text) })
}
