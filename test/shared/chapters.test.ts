import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderForm } from '../../shared/forms.ts'

test('chapters are cues of WebVTT, each up to the next, whatever end the file gives them', () => {
  const chapters = [
    { start: 61.5, end: 30, title: '' },
    { start: 0, end: 90, title: 'Soup & <salt>\n--> bread' },
    { start: 100, end: 100, title: 'After the end' },
  ]
  const metadata = { segments: [], chapters, duration: 100 }
  assert.equal(
    renderForm('chapters', { content: '', metadata }),
    `WEBVTT

00:00:00.000 --> 00:01:01.500
Soup &amp; &lt;salt&gt; --&gt; bread

00:01:01.500 --> 00:01:40.000
Chapter 2
`,
  )
  assert.equal(renderForm('chapters', { content: '', metadata: { segments: [] } }), 'WEBVTT\n')
  assert.throws(() => renderForm('chapters', { content: 'x', metadata: {} }), { code: 'conflict' })
})
