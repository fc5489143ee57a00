import assert from 'node:assert/strict'
import { existsSync, mkdirSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core'

export const CHROMIUM = process.env['CHROMIUM_PATH'] ?? '/usr/bin/chromium'
export const skip = existsSync(CHROMIUM) ? false : `there is no Chromium at ${CHROMIUM}`

/** The folder for screenshots. */
const PICTURES =
  process.env['BROWSER_ARTIFACTS_DIR'] ?? path.join(os.tmpdir(), 'morag-browser-pictures')
const AXE = fileURLToPath(import.meta.resolve('axe-core/axe.min.js'))

export async function launch(): Promise<Browser> {
  mkdirSync(PICTURES, { recursive: true })
  // Chromium's sandbox does not work for root, and CI runs as root in a container.
  const asRoot = process.getuid?.() === 0 ? ['--no-sandbox'] : []
  return await chromium.launch({
    executablePath: CHROMIUM,
    args: [...asRoot, '--mute-audio', '--disable-dev-shm-usage'],
  })
}

/** A page with its own browser profile. */
export interface Tab {
  page: Page
  /** Saves a screenshot. */
  picture: (name: string) => Promise<void>
}

export interface View extends BrowserContextOptions {
  /** The coordinator's. */
  url: string
  hash?: string
  /** Console errors to ignore. */
  expected?: RegExp
}

/** Opens the dashboard. Errors and warnings in its console fail the test; a failure saves a screenshot. */
export async function inTab(
  browser: Browser,
  { url, hash = '#/', expected, ...options }: View,
  use: (tab: Tab) => Promise<void>,
): Promise<void> {
  const context = await browser.newContext(options)
  await context.addInitScript({ path: AXE })
  const page = await context.newPage()
  page.setDefaultTimeout(30_000)
  const consoleErrors: string[] = []
  page.on('pageerror', (error) => consoleErrors.push(String(error.stack)))
  const failedRequests: string[] = []
  page.on('requestfailed', (request) => {
    failedRequests.push(`${request.url()} ${request.failure()?.errorText ?? ''}`)
  })
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) consoleErrors.push(message.text())
  })
  const picture = async (name: string): Promise<void> => {
    await page.screenshot({ path: path.join(PICTURES, `${name}.png`), fullPage: true })
  }
  try {
    await page.goto(`${url}/${hash}`)
    await use({ page, picture })
    const unexpected = consoleErrors.filter((one) => expected?.test(one) !== true)
    assert.deepEqual(unexpected, [])
  } catch (error) {
    failures += 1
    await picture(`failure-${failures}`).catch(() => undefined)
    console.error(page.url(), consoleErrors, failedRequests)
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

/** The serious and critical violations that axe-core finds. */
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

/** By how many pixels the page is wider than its window. */
export async function overhangOf(page: Page): Promise<number> {
  return await page.evaluate(() => {
    const { document, innerWidth } = globalThis as unknown as {
      document: { documentElement: { scrollWidth: number } }
      innerWidth: number
    }
    return document.documentElement.scrollWidth - innerWidth
  })
}
