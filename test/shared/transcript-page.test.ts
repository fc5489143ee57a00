import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { describe, test } from 'node:test'
import { PAGE_POLICY, renderPage, SERVED_PAGE_POLICY } from '../../shared/transcript-page.ts'

const EVIL = `</script><img src=x onerror="alert(1)">'&\u202e\u0000`
const segments = [
  { start: 0, end: 2, text: 'Hello.', speaker: 'A' },
  { start: 2.5, end: 4, text: 'Go on.', speaker: 'A' },
  { start: 3_723, end: 3_724, text: EVIL, speaker: EVIL, language: EVIL },
]
const metadata = {
  file_name: EVIL,
  language: '"><b>',
  duration: 3_724.5,
  chapters: [{ start: 2.5, end: 9, title: EVIL }],
}
const page = renderPage(segments, metadata)

describe('the page of a transcript', () => {
  test('has every line with its time, and a speaker where another one begins', () => {
    const lines = page.split('\n').filter((line) => line.startsWith('<p data-start'))
    assert.equal(
      lines[0],
      '<p data-start="0"><b class="speaker-0" dir="auto">A</b><a href="#t=0">0:00</a> <span dir="auto">Hello.</span></p>',
    )
    assert.equal(
      lines[1],
      '<p data-start="2.5"><a href="#t=2.5">0:02</a> <span dir="auto">Go on.</span></p>',
    )
    assert.match(lines[2]!, /class="speaker-1".*>1:02:03</)
    assert.equal(page.match(/href="#t=2\.5" dir="auto"/g)?.length, 1, 'the chapter')
    assert.match(page, /<h2 dir="auto">[^]*Go on/)
  })

  test('has foreign text as text alone, wherever it stands', () => {
    const safe = '&lt;/script&gt;&lt;img src=x onerror=&quot;alert(1)&quot;&gt;&#39;&amp;'
    assert.equal(page.split(safe).length - 1, 6)
    assert.equal(page.match(/<img|<b>/g), null)
    assert.equal(page.match(/<\/script>/g)?.length, 1)
    assert.match(page, /^<!doctype html>\n<html>\n/)
    for (const one of ['\u202e', '\u0000']) assert.ok(!page.includes(one))
  })

  test('asks for nothing from anywhere, and runs its own script alone', () => {
    const plain = renderPage(segments.slice(0, 2), {})
    assert.doesNotMatch(
      plain.replace(/<script>[^]*<\/script>/, ''),
      /\ssrc=|href="(?!#t=)|url\(|@import/,
    )
    assert.doesNotMatch(plain, /https?:|fetch\(|import\(/)
    for (const [tag, directive] of [
      ['style', 'style-src'],
      ['script', 'script-src'],
    ] as const) {
      const own = new RegExp(`<${tag}>([^]*)</${tag}>`).exec(page)![1]!
      const digest = createHash('sha256').update(own).digest('base64')
      assert.ok(PAGE_POLICY.includes(`${directive} 'sha256-${digest}'`))
    }
    assert.ok(page.includes(`content="${PAGE_POLICY}"`))
    assert.match(SERVED_PAGE_POLICY, /sandbox allow-scripts$/)
  })
})
