import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

/** Debian's, or the one that is named. */
export const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
export const skip = existsSync(CHROMIUM) ? false : `there is no Chromium at ${CHROMIUM}`

/** Where the pictures go that the tests take. */
const PICTURES =
  process.env['BROWSER_ARTIFACTS_DIR'] ?? path.join(os.tmpdir(), 'morag-browser-pictures')
const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))

export async function launch(): Promise<Browser> {
  mkdirSync(PICTURES, { recursive: true })
  // Its own sandbox does not work for root, as whom CI runs in a container.
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: [...asRoot, '--mute-audio', '--disable-dev-shm-usage'],
  })
}

/** A page with a browser profile of its own. */
export interface Tab {
  page: Page
  /** Keeps a picture. */
  picture: (name: string) => Promise<void>
}

export interface View extends BrowserContextOptions {
  /** The coordinator's. */
  url: string
  hash?: string
  /** What it is to complain of. */
  expected?: RegExp
}

/** Opens the dashboard. What the page complains of is a failure; and of a failure there is a picture. */
export async function inTab(
  browser: Browser,
  { url, hash = '#/', expected, ...options }: View,
  use: (tab: Tab) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options)
  await context.addInitScript({ path: AXE })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const complaints: string[] = []
  page.on('pageerror', (error) => complaints.push(String(error.stack)))
  const cut: string[] = []
  page.on('requestfailed', (request) => {
    cut.push(`${request.url()} ${request.failure()?.errorText ?? ''}`)
  })
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) complaints.push(message.text())
  })
  const picture = async (name: string): Promise<void> => {
    await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage: true })
  }
  try {
    await page.goto(`${url}/${hash}`)
    await use({ page, picture })
    const others = complaints.filter((one) => expected?.test(one) !== true)
    assert.deepEqual(others, [])
  } catch (error) {
    failures += 1
    await picture(`failure-${failures}`).catch(() => undefined)
    console.error(page.url(), complaints, cut)
    throw error
  } finally {
    await context.close()
  }
}

let failures = 0

interface Violation {
  id: string
  impact: string | null
  nodes: { html: string; failureSummary?: string }[]
}

/** What axe-core finds serious or worse, in words. */
export async function violationsIn(page: Page): Promise<string[]> {
  const violations = await page.evaluate(async () => {
    const { axe } = globalThis as unknown as {
      axe: { run: () => Promise<{ violations: Violation[] }> }
    }
    return (await axe.run()).violations
  })
  return violations
    .filter(({ impact }) => impact === 'serious' || impact === 'critical')
    .flatMap(({ id, nodes }) =>
      nodes.map(({ html, failureSummary }) => `${id}: ${html} ${failureSummary ?? ''}`),
    )
}

/** How many pixels a page is wider than its window. */
export async function overhangOf(page: Page): Promise<number> {
  return await page.evaluate(() => {
    const { document, innerWidth } = globalThis as unknown as {
      document: { documentElement: { scrollWidth: number } }
      innerWidth: number
    }
    return document.documentElement.scrollWidth - innerWidth
  })
}
