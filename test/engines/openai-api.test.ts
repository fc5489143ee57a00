import assert from 'node:assert/strict'
import { after, describe, it } from 'node:test'
import { freePort } from '../../agent/engines/whisper-cpp/free-port.ts'
import { openaiApi } from '../../agent/engines/openai-api/definition.ts'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError } from '../../shared/errors.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import { engineSettings, requestFor } from '../agent/engine-request.ts'
import { tempFolder } from '../agent/fixtures.ts'

const folder = tempFolder()
const { signal } = new AbortController()
const { whisperServer, ggmlModel } = await prepareEngines(['whisper-cpp', 'ggml'])
const slot = { index: 0, gpu: null }

/** The real whisper-server, where OpenAI's would be. */
const command = (port: number | string): string[] => {
  const options = `-t 2 --host 127.0.0.1 --port ${port} --inference-path /v1/audio/transcriptions`
  return [whisperServer, '-m', ggmlModel, ...options.split(' ')]
}

async function engineFor(more: Partial<EngineSettings>) {
  const settings = { ...engineSettings(folder), ...more }
  const engine = openaiApi.create(settings, await openaiApi.probe(settings, signal))
  after(() => engine.close())
  return engine
}

describe('openai-api on the real whisper-server', () => {
  it('starts it, and hears what is said', async () => {
    const engine = await engineFor({ command: command('{port}') })
    await engine.prepare(slot, signal)
    for (const [at, { file, text }] of CLIPS.entries()) {
      const durationSeconds = [11, 7.1][at] ?? 0
      const request = await requestFor(folder, { wavPath: file, durationSeconds })
      const { segments, language } = await engine.transcribe(request)
      const said = segments.map((segment) => segment.text).join(' ')
      assert.ok(wordErrors(text, said).errors <= 1, said)
      assert.equal(language, 'en')
      const words = segments.flatMap((segment) => segment.words ?? [])
      assert.equal(words.map((word) => word.text).join(' '), said)
    }
    await engine.close()
  })

  it('uses one that somebody else runs, and leaves it running', async () => {
    const port = await freePort()
    const url = `http://127.0.0.1:${port}/v1`
    const theirs = await engineFor({ command: command(port), url })
    await theirs.prepare(slot, signal)
    const ours = await engineFor({ url })
    const request = await requestFor(folder, { wavPath: CLIPS[1].file, durationSeconds: 7.1 })
    assert.equal((await ours.transcribe(request)).segments.length, 1)
    await ours.close()
    await (await engineFor({ url })).prepare(slot, signal)
    await theirs.close()
    await assert.rejects(
      ours.prepare(slot, signal),
      (error) => error instanceof AppError && error.code === 'engine_missing',
    )
  })
})
