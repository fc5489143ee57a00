import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { openToolchain, type Toolchain } from '../../agent/toolchain.ts'
import { wordErrors } from '../../agent/wer.ts'
import { run, startCoordinator } from '../../scripts/processes.ts'
import type { Segment, Word } from '../../shared/transcript.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startAgent, TestClient } from '../conversion-set-up.ts'
import { converter, textOf } from './convert.ts'
import { realEngines, settingsOf } from './real-engines.ts'
import { call, gaps, long, withoutSpeech } from './scenes.ts'
import { watchFamily } from './watch.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const convert = converter(folder)

function wordsOf(segments: readonly Segment[]): Word[] {
  return segments.flatMap(({ words }) => words ?? [])
}

/** Each begins and ends after the one before. */
function assertInOrder(times: readonly { start: number; end: number }[], seconds: number): void {
  const all = times.flatMap(({ start, end }) => [start, end])
  assert.deepEqual(
    all,
    all.toSorted((a, b) => a - b),
  )
  assert.ok((all[0] ?? 0) >= 0 && (all.at(-1) ?? 0) <= seconds)
}

const coordinator = await startCoordinator(path.join(folder, 'data'), folder)
after(async () => {
  coordinator.signal('SIGTERM')
  await coordinator.ended
})

for (const { title, name, model, flags, words: hasWords = true } of await realEngines()) {
  describe(`the whole way, by ${title}`, () => {
    it('turns a clip into its words on the command line', async () => {
      const { file, text } = CLIPS.jfk
      const output = path.join(folder, 'out.json')
      const form = ['--format', 'json', '--output', output]
      const agent = run('agent', ['transcribe', file, ...form, ...flags])
      const processes = watchFamily(agent.pid)
      const { exitCode } = await agent.ended
      assert.equal(exitCode, 0, agent.lines.join('\n'))
      const metadata = JSON.parse(await readFile(output, 'utf8')) as Record<string, unknown>
      const said = textOf(metadata['segments'] as Segment[])
      assert.ok(wordErrors(text, said).errors <= 1, said)
      assert.equal(metadata['language'], 'en')
      const engine = metadata['engine'] as Record<string, unknown>
      assert.deepEqual([engine['name'], engine['model']], [name, model])
      assert.deepEqual(metadata['warnings'], [])
      assert.ok(processes.seen.size > 0)
      await processes.gone()
    })

    it('does a job of a coordinator', async () => {
      const client = new TestClient(coordinator.url)
      const jobId = await client.upload(CLIPS.austen.file, 'audio')
      const agent = startAgent(
        coordinator.url,
        folder,
        title.replaceAll(' ', '-'),
        '--once',
        ...flags,
      )
      const processes = watchFamily(agent.pid)
      assert.deepEqual(
        await agent.ended,
        { exitCode: 0, signal: undefined },
        agent.lines.join('\n'),
      )
      assert.equal((await client.detail(jobId)).status, 'completed')
      const said = textOf((await client.result(jobId)).metadata.segments)
      assert.ok(wordErrors(CLIPS.austen.text, said).errors <= 1, said)
      assert.ok(processes.seen.size > 0)
      await processes.gone()
    })

    describe('in one process', () => {
      let toolchain: Toolchain
      let processes: ReturnType<typeof watchFamily>
      before(async () => {
        processes = watchFamily(process.pid)
        toolchain = await openToolchain(settingsOf(flags), { signal, report: () => undefined })
        await toolchain.prepare(signal)
      })
      after(() => toolchain.close())

      it('hears nothing in silence, a tone and noise', async () => {
        const { converted } = await convert(toolchain, await withoutSpeech(folder))
        assert.equal(converted.metadata['has_speech'], false)
        assert.deepEqual(converted.metadata['segments'], [])
      })

      it('puts each word where it is said, and none between', async () => {
        const { file, said } = await gaps(folder)
        const { converted, progress } = await convert(toolchain, file, { word_timestamps: true })
        const { segments, language, durationSeconds } = converted.transcript
        assert.equal(language, 'en')
        // Without them, each sentence is.
        const words = hasWords ? wordsOf(segments) : segments
        assert.equal(textOf(words), textOf(segments))
        assertInOrder(words, durationSeconds)
        for (const { text, start, end } of said) {
          const here = words.filter((word) => word.end > start - 1 && word.start < end + 1)
          // Where noise follows, speech is found to go on for up to half a second.
          assert.ok(here.every((word) => word.start >= start - 0.75 && word.end <= end + 0.75))
          assert.ok(wordErrors(text, textOf(here)).errors <= 1, textOf(here))
        }
        const spoken = wordErrors(textOf(said), textOf(words))
        assert.ok(spoken.errors <= said.length, textOf(words))
        assert.ok(progress.filter(({ stage }) => stage === 'transcribing').length >= 2)
      })

      it('tells the two of a call apart by their channels', async () => {
        const { converted } = await convert(toolchain, await call(folder), { diarize: true })
        assert.deepEqual(converted.metadata['speakers'], ['Speaker_00', 'Speaker_01'])
        const { segments } = converted.transcript
        for (const [n, { text }] of Object.values(CLIPS).entries()) {
          const said = textOf(segments.filter(({ speaker }) => speaker === `Speaker_0${n}`))
          assert.ok(wordErrors(text, said).errors <= 1, said)
        }
      })

      if (title === 'whisper-server') {
        it('turns a long recording into its words, in parts', async () => {
          const { file, said } = await long(folder, 17)
          const { converted, progress, parts } = await convert(toolchain, file)
          const { segments, durationSeconds } = converted.transcript
          assert.ok(durationSeconds > 300 && parts >= 2, `${parts} parts`)
          assertInOrder(segments, durationSeconds)
          const { errors, words } = wordErrors(textOf(said), textOf(segments))
          assert.ok(errors <= words * 0.05, `${errors} of ${words} words`)
          const reached = progress.map(({ processedSeconds = 0 }) => processedSeconds)
          assert.ok(new Set(reached).size > 5, String(reached))
          assert.equal(
            reached.findLast((seconds) => seconds > 0),
            durationSeconds,
          )
        })
      }

      it('leaves no process behind', async () => {
        await toolchain.close()
        assert.ok(processes.seen.size > 0)
        await processes.gone()
      })
    })
  })
}
