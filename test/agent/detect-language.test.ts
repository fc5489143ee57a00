import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Engine } from '../../agent/engines/engine.ts'
import { detectLanguage } from '../../agent/transcription/detect-language.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, tempFolder } from './fixtures.ts'

const workDir = tempFolder()
const ENGLISH = { language: 'en', probability: 0.9 }

/** A fake engine: of the real ones none fails when it is told to. */
function engine(detect: NonNullable<Engine['detect']>): Engine {
  return {
    info: { name: 'fake', model: 'none', device: 'cpu', version: '1' },
    abilities: {
      languages: null,
      translate: false,
      words: false,
      speakers: false,
      prompt: false,
      hotwords: false,
      partSeconds: 60,
    },
    prepare: () => Promise.resolve(),
    detect,
    transcribe: () => Promise.reject(new Error('nobody asks')),
    close: () => Promise.resolve(),
  }
}

const hearIt = async (
  detect: NonNullable<Engine['detect']>,
  signal = new AbortController().signal,
) =>
  await detectLanguage(engine(detect), {
    wavPath: CLIPS.jfk.file,
    // More than the clip has, so that the engine is asked.
    speech: [{ start: 0, end: 40 }],
    workDir,
    slot: { index: 0, gpu: null },
    signal,
    model: null,
  })

describe('the language of a recording', () => {
  it('is what its stretches vote for', async () => {
    const { language, warning } = await hearIt((pieces) =>
      Promise.resolve(pieces.map(() => ENGLISH)),
    )
    assert.deepEqual([language?.language, warning], ['en', null])
  })

  it('is left open, with a warning, when the engine fails at it', async () => {
    for (const code of ['engine_failed', 'gpu_out_of_memory'] as const) {
      const { language, warning } = await hearIt(() =>
        Promise.reject(new AppError(code, 'The engine fake fell over.')),
      )
      assert.equal(language, null)
      assert.match(warning ?? '', /Language detection .* failed: The engine fake fell over\./)
    }
  })

  it('ends with the reason of the signal, and with an engine that is closed', async () => {
    const stop = new AbortController()
    const reason = new AppError('engine_failed', 'given up')
    const stopped = hearIt(() => {
      stop.abort(reason)
      return Promise.reject(new AppError('engine_failed', 'it was killed'))
    }, stop.signal)
    await assert.rejects(stopped, (error) => error === reason)
    const closed = hearIt(() => Promise.reject(new AppError('cancelled', 'closed')))
    await assert.rejects(closed, /closed/)
  })
})
