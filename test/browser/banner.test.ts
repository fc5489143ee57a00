import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import path from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Browser, Page } from 'playwright-core'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { mountDisk, NO_MOUNT, type Disk } from '../faults/small-disk.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { inTab, launch, skip, violationsIn } from './browser.ts'
import { HttpWorker } from './worker.ts'

const MIB = 1024 * 1024

describe('what needs a person', { skip }, () => {
  const folder = tempFolder()
  let disk: Disk | null
  let coordinator: RunningCoordinator
  let browser: Browser

  before(async () => {
    disk = await mountDisk(60 * MIB)
    const data = path.join(disk?.dir ?? folder, 'data')
    mkdirSync(data)
    const args = ['--webhook-allow', '127.0.0.1', '--max-retries', '0']
    ;[coordinator, browser] = await Promise.all([
      startCoordinator(data, folder, { args }),
      launch(),
    ])
  })
  after(async () => {
    await browser.close()
    coordinator.signal('SIGTERM')
    await coordinator.ended
    await disk?.release()
  })

  const banner = (page: Page, text: RegExp) => page.locator('.banner').filter({ hasText: text })

  test('is a worker that fails whatever it gets, until it is trusted again', async () => {
    const worker = new HttpWorker(coordinator.url, 'clumsy', ['speech'])
    for (const name of ['one', 'two', 'three']) {
      await worker.submit(`${name}.mp3`, 'speech')
      await worker.fail(await worker.take(), 'It has no memory left.', 'out_of_memory')
    }
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      const aside = banner(
        page,
        /Worker clumsy is set aside: it gets nothing that another could do/,
      )
      await aside.getByText(/its last attempts failed, on 3 different jobs/i).waitFor()
      await picture('set-aside')
      assert.deepEqual(await violationsIn(page), [])
      await aside.getByRole('button', { name: 'Trust it again' }).click()
      await page.getByText(/Worker clumsy is set aside/).waitFor({ state: 'detached' })
    })
  })

  test('is a webhook that wants no more, until it takes what it is sent again', async (t) => {
    let status = 410
    const hook = createServer((request, response) => {
      request.resume().on('end', () => response.writeHead(status).end())
    })
    t.after(() => hook.close())
    await once(hook.listen(0, '127.0.0.1'), 'listening')
    const worker = new HttpWorker(coordinator.url, 'teller', ['video'])
    const url = `http://127.0.0.1:${(hook.address() as AddressInfo).port}/`
    await worker.process('told.mp4', 'video', url)
    await worker.complete(await worker.take(), [])
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      const given = banner(page, /told\.mp4: telling its webhook has been given up/)
      await given.getByText(/410/).waitFor()
      await picture('webhook')
      status = 204
      await given.getByRole('button', { name: 'Try again now' }).click()
      await page.getByText(/telling its webhook/).waitFor({ state: 'detached' })
    })
  })

  test('is a worker that has fallen silent over its job, until it is heard again', async () => {
    const worker = new HttpWorker(coordinator.url, 'sleepy', ['lesson'])
    await worker.submit('long.mp3', 'lesson')
    const job = await worker.take()
    await worker.beat(job, 0.1)
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      assert.equal(await page.getByText(/sleepy was last heard of/).count(), 0)
      // Nobody waits two minutes here: the page's clock does.
      await page.clock.install()
      await page.clock.fastForward(3 * 60_000)
      const lost = banner(page, /Worker sleepy was last heard of 3 min ago\. It had 1 job\./)
      await lost.waitFor()
      await picture('lost')
    })
    await worker.beat(job, 0.2)
    await inTab(browser, { url: coordinator.url }, async ({ page }) => {
      await page.getByText('live', { exact: true }).waitFor()
      assert.equal(await page.getByText(/sleepy was last heard of/).count(), 0)
    })
  })

  test('is a disk that is nearly full, until there is room', async (t) => {
    if (disk === null) return t.skip(NO_MOUNT)
    const { dir } = disk
    const filler = path.join(dir, 'filler')
    await inTab(browser, { url: coordinator.url }, async ({ page, picture }) => {
      await page.getByText('live', { exact: true }).waitFor()
      const full = page.getByText(/The disk is nearly full: .* of 6\d MB are free/)
      assert.equal(await full.count(), 0)
      const { bavail, bsize } = statfsSync(dir)
      writeFileSync(filler, Buffer.alloc(bavail * bsize - 2 * MIB))
      await full.waitFor()
      await picture('disk')
      rmSync(filler)
      await full.waitFor({ state: 'detached' })
    })
  })
})
