import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { Command } from 'commander'
import { addRender } from '../../agent/commands/render.ts'
import { renderMarkdown } from '../../shared/transcript-markdown.ts'
import { FORMS, renderForm } from '../../shared/forms.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const segments = [
  { start: 0, end: 2, text: 'Hello there.', speaker: 'A', confidence: null },
  { start: 2, end: 4, text: 'Bye.', speaker: 'B', confidence: 0.5 },
]
const metadata = {
  file_name: 'talk.mp3',
  duration: 4,
  language: 'en',
  segments,
  audio: { codec: 'mp3', sample_rate: 44_100, channels: 2, track: 0 },
}
const content = renderMarkdown({
  kind: 'audio',
  filename: 'talk.mp3',
  durationSeconds: 4,
  language: 'en',
  segments: segments.map(({ start, end, text, speaker }) => ({ start, end, text, speaker })),
  chapters: [],
  video: null,
  audio: { codec: 'mp3', sampleRate: 44_100, channels: 2 },
})

/** What `morag-agent render` makes of a JSON. */
async function rendered(value: unknown, ...args: string[]): Promise<string> {
  const [source, target] = [path.join(folder, 'talk.json'), path.join(folder, 'out')]
  writeFileSync(source, typeof value === 'string' ? value : JSON.stringify(value))
  const cli = new Command().exitOverride()
  addRender(cli)
  await cli.parseAsync(['render', source, '--output', target, ...args], { from: 'user' })
  return readFileSync(target, 'utf8')
}

describe('morag-agent render', () => {
  for (const form of FORMS) {
    test(`makes ${form} of a result’s JSON, as the coordinator does`, async () => {
      const wanted = renderForm(form, { content, metadata })
      assert.equal(await rendered(metadata, '--format', form), wanted)
      const whole = { job_id: 'j', content, metadata, processing_time: 1 }
      const ofJob = renderForm(form, { content, metadata }, { jobId: 'j' })
      assert.equal(await rendered(whole, '--format', form), ofJob)
    })
  }

  test('makes what a document has', async () => {
    assert.equal(await rendered({ text: '# Report', pages: 3 }, '--format', 'txt'), '# Report')
    await assert.rejects(rendered({ text: '# Report' }, '--format', 'srt'), { code: 'conflict' })
  })

  test('makes chunks of the asked length', async () => {
    const long = { ...metadata, segments: Array.from({ length: 50 }, () => segments[0]) }
    const [chunks, fewer] = [
      await rendered(long, '--format', 'chunks', '--chunk-tokens', '100', '--chunk-overlap', '0'),
      await rendered(long, '--format', 'chunks'),
    ]
    assert.deepEqual([chunks.split('\n').length, fewer.split('\n').length], [3, 2])
  })

  test('makes subtitles as they are asked for', async () => {
    const plain = await rendered(metadata, '--format', 'vtt', '--subtitles', 'plain')
    assert.equal(plain, renderForm('vtt', { content, metadata }, { subtitles: 'plain' }))
    const narrow = await rendered(metadata, '--format', 'srt', '--max-line-chars', '10')
    assert.ok(narrow.includes('A: Hello\nthere.\n'), narrow)
  })

  for (const [name, value] of [
    ['no JSON', 'x'],
    ['no object', '[]'],
    ['neither text nor segments', '{"segments": "odd"}'],
  ] as const) {
    test(`refuses ${name}, and says what it wants`, async () => {
      await assert.rejects(rendered(value), {
        code: 'usage',
        message: /is no result: .*result\.json/,
      })
    })
  }
})
