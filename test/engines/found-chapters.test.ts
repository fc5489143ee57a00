import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import type { Browser } from 'playwright-core'
import { spokenTalk, subjects } from '../../scripts/bench/retrieval/talk.ts'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import type { Chapter, Segment } from '../../shared/transcript.ts'
import { testTools } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { inTab, launch, skip } from '../browser/browser.ts'
import { startAgent, TestClient } from '../conversion-set-up.ts'

interface Chunk {
  text: string
  start: number
  chapter: string | null
}

/** How far a chapter that was found may begin from a subject, in seconds. */
const NEAR = 30

describe('the chapters of a talk of half an hour on ten subjects', { skip }, () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  let agent: ReturnType<typeof startAgent>
  let browser: Browser
  let chapters: Chapter[]
  let segments: Segment[]
  let jobId: string
  /** When the subjects begin. */
  let begins: number[]
  const form = async (name: string): Promise<string> =>
    await (await fetch(`${coordinator.url}/api/v1/remote-jobs/${jobId}/result.${name}`)).text()

  before(async () => {
    const talk = (await spokenTalk((await testTools()).ffmpeg, folder))!
    const firsts = (await subjects()).map(([first]) => first)
    begins = firsts.map((first) => talk.sentences.find(({ text }) => text === first)!.start)
    coordinator = await startCoordinator(`${folder}/data`, folder)
    browser = await launch()
    agent = startAgent(coordinator.url, folder, 'talker', '--engine', 'moonshine', '--gpus', 'none')
    const client = new TestClient(coordinator.url)
    jobId = await client.upload(talk.wavPath, 'audio', { chapters: true, language: 'en' })
    const { status, error_message } = await client.ended(jobId)
    assert.equal(status, 'completed', error_message ?? '')
    const metadata = (await client.result(jobId)).metadata as unknown as Record<string, unknown>
    ;({ chapters, segments } = metadata as { chapters: Chapter[]; segments: Segment[] })
  })
  after(async () => {
    await browser.close()
    for (const one of [agent, coordinator]) {
      one.signal('SIGTERM')
      await one.ended
    }
  })

  test('begin with sentences, most of them where a subject does', () => {
    const starts = chapters.slice(1).map(({ start }) => start)
    for (const { title, start } of chapters) console.log(`[${Math.round(start)}] ${title}`)
    assert.ok(starts.every((at) => segments.some(({ start }) => start === at)))
    const found = begins.filter((at) => [0, ...starts].some((one) => Math.abs(one - at) <= NEAR))
    assert.ok(found.length >= 6, `${found.length} of ${begins.length}`)
    assert.ok(chapters.length <= 15, String(chapters.length))
    assert.equal(new Set(chapters.map(({ title }) => title)).size, chapters.length)
  })

  test('are headings in Markdown, each before the lines of its time', async () => {
    const lines = (await form('md')).split('\n').filter((line) => /^(# .* \[|\[\d)/.test(line))
    const headings = lines.filter((line) => line.startsWith('#'))
    assert.deepEqual(
      headings,
      chapters.map(({ title, start }) => `# ${title} [${Math.floor(start)}]`),
    )
    assert.ok(lines[0]!.startsWith('#'))
    assert.equal(lines.length, chapters.length + segments.length)
  })

  test('are cues of a WebVTT track', async () => {
    const vtt = await form('chapters.vtt')
    assert.deepEqual(
      [...vtt.matchAll(/--> .*\n(.*)/g)].map(([, title]) => title),
      chapters.map(({ title }) => title),
    )
  })

  test('are the borders of chunks', async () => {
    const chunks = (await form('chunks.jsonl'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line) as Chunk)
    for (const { chapter, start } of chunks)
      assert.equal(chapter, chapters.findLast((one) => one.start <= start)!.title)
    assert.equal(new Set(chunks.map(({ chapter }) => chapter)).size, chapters.length)
  })

  test('are on the dashboard, and play from their beginning', async () => {
    const view = { url: coordinator.url, hash: `#/jobs/${jobId}`, reducedMotion: 'reduce' as const }
    await inTab(browser, view, async ({ page, picture }) => {
      await page.getByText(`Chapters (${chapters.length})`).click()
      const { title, start } = chapters[3]!
      await page.getByRole('button', { name: title }).click()
      const first = segments.find((one) => one.start >= start)!
      await page.locator('.line[aria-current]', { hasText: first.text }).waitFor()
      await picture('found-chapters')
    })
  })
})
