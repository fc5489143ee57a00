import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { findSpeech } from '../../agent/audio/vad.ts'
import { freePort } from '../../agent/engines/whisper-cpp/free-port.ts'
import { openaiApi } from '../../agent/engines/openai-api/definition.ts'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError } from '../../shared/errors.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import { engineSettings, requestFor } from '../agent/engine-request.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { speechServer } from '../agent/replay/speech-server.ts'
import { samplesIn, wavFile } from '../agent/replay/spoken-words.ts'
import { chunksOf } from '../agent/replay/vllm-server.ts'

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

describe('a server like vLLM with the real Whisper behind it', () => {
  const SPOKEN = [0, 1, 0, 1, 1, 0, 0, 1] as const

  it('loses no word, and its sentences are where they were said', async () => {
    const vad = await ensureModel('silero-vad', { dir: modelsDir(), signal })
    const modelFile = path.join(vad, 'silero_vad_v6.onnx')
    const clips = await Promise.all(CLIPS.map(async ({ file }) => samplesIn(await readFile(file))))
    const parts: Int16Array[] = []
    const truth: { start: number; text: string }[] = []
    let at = 0
    for (const [i, which] of SPOKEN.entries()) {
      const pause = new Int16Array(16_000 * (0.4 + (i % 3) * 0.3))
      truth.push({ start: at / 16_000, text: CLIPS[which].text })
      parts.push(clips[which]!, pause)
      at += clips[which]!.length + pause.length
    }
    const wavPath = path.join(folder, 'both.wav')
    await writeFile(wavPath, wavFile(Int16Array.from(parts.flatMap((part) => [...part]))))
    const speech = await findSpeech(wavPath, { modelFile, signal })
    const whisper = await engineFor({ command: command('{port}') })
    const list = { data: [{ id: 'whisper-1', owned_by: 'vllm' }] }
    const { url, requests } = await speechServer({ '/v1/models': list }, async (_, samples) => {
      const texts: string[] = []
      for (const chunk of chunksOf(samples)) {
        const file = path.join(folder, `chunk-${requests.length}-${texts.length}.wav`)
        await writeFile(file, wavFile(chunk))
        const durationSeconds = chunk.length / 16_000
        const heard = await whisper.transcribe(
          await requestFor(folder, { wavPath: file, durationSeconds }),
        )
        texts.push(...heard.segments.map(({ text }) => text))
      }
      return [200, { text: texts.join(' ') }]
    })
    const durationSeconds = at / 16_000
    const engine = await engineFor({ url })
    const { segments } = await engine.transcribe(
      await requestFor(folder, { wavPath, durationSeconds, speech }),
    )
    const said = segments.map(({ text }) => text).join(' ')
    const { errors, words } = wordErrors(truth.map(({ text }) => text).join(' '), said)
    assert.ok(errors <= words * 0.03, `${errors} of ${words}: ${said}`)
    for (const { start, text } of truth) {
      const begins = text.split(' ').slice(0, 3).join(' ')
      // The clips begin with a little silence.
      const first = speech.find((span) => span.end > start + 0.1)!.start
      const near = segments.filter((segment) => Math.abs(segment.start - first) <= 0.3)
      assert.ok(near.length > 0, `'${begins}' at ${first}: ${JSON.stringify(segments)}`)
    }
    assert.ok(requests.every(({ seconds }) => seconds <= 28))
  })
})
