import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { labelSpeakers } from '../../agent/diarization/label-speakers.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { diarize, type DiarizeOptions } from '../../agent/diarization/sherpa-diarize.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, gone, makeSilence } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { sherpaChildren } from './sherpa-children.ts'

const folder = tempFolder()
const signal = new AbortController().signal
/** A model, but neither of the two: what they do with a recording could not be tested here for want of them. */
const other = path.join(
  await ensureModel('silero-vad', { dir: modelsDir(), signal }),
  'silero_vad_v6.onnx',
)
const options = (more: Partial<DiarizeOptions> = {}): DiarizeOptions => ({
  segmentation: other,
  embedding: other,
  min: null,
  max: null,
  signal,
  ...more,
})
const isError = (code: string, message: RegExp) => (error: AppError) => {
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

describe('diarize', () => {
  it('says which setting names a model that is missing', async () => {
    const nowhere = path.join(folder, 'nowhere.onnx')
    for (const file of [nowhere, folder]) {
      await assert.rejects(
        diarize(CLIPS.jfk.file, options({ segmentation: file })),
        isError('model_missing', /--speaker-segmentation/),
      )
      await assert.rejects(
        diarize(CLIPS.jfk.file, options({ embedding: file })),
        isError('model_missing', /--speaker-embedding/),
      )
    }
  })

  it('fails with models that are others or damaged, and leaves no process', async () => {
    const damaged = path.join(folder, 'damaged.onnx')
    await writeFile(damaged, 'this is no model')
    for (const model of [other, damaged]) {
      const failed = diarize(CLIPS.jfk.file, options({ segmentation: model, embedding: model }))
      await assert.rejects(failed, isError('engine_failed', /diarization/))
      assert.deepEqual(sherpaChildren(), [])
    }
  })

  for (const kill of ['SIGSEGV', 'SIGKILL'] as const) {
    it(`costs the labels and not the text when its process ends by ${kill}`, async () => {
      const segments = [{ start: 0, end: 4, text: 'And so, my fellow Americans' }]
      const labelled = labelSpeakers(segments, {
        settings: {
          always: true,
          prefix: 'Speaker_',
          models: { segmentation: other, embedding: other },
          command: null,
        },
        wavPath: CLIPS.jfk.file,
        count: { min: null, max: null },
        names: new Map(),
        workDir: folder,
        slots: new Slots([{ index: 0, gpu: null }]),
        signal,
        report: () => undefined,
      })
      await whenStarted((pid) => process.kill(pid, kill))
      const warning = `Diarization failed: The process of the diarization ended (${kill}).`
      assert.deepEqual(await labelled, { segments, warnings: [warning] })
    })
  }

  it('stops with the reason of the signal, and leaves no process', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const stopped = diarize(CLIPS.jfk.file, options({ signal: controller.signal }))
    let child = 0
    await whenStarted((pid) => {
      child = pid
      controller.abort(reason)
    })
    await assert.rejects(stopped, (error) => error === reason)
    await gone(child)
    const later = diarize(CLIPS.jfk.file, options({ signal: controller.signal }))
    await assert.rejects(later, (error) => error === reason)
  })

  it('refuses what is no WAV file, and finds no speaker in next to nothing', async () => {
    const text = path.join(folder, 'text.wav')
    await writeFile(text, 'this is no sound at all')
    await assert.rejects(diarize(text, options()), isError('invalid_media', /not a WAV file/))
    assert.deepEqual(await diarize(await makeSilence(folder, 0.1), options()), [])
  })
})

/** Acts on the process while it starts, which takes it some tenths of a second. */
async function whenStarted(act: (pid: number) => void): Promise<void> {
  for (;;) {
    const [pid] = sherpaChildren()
    if (pid !== undefined) return act(pid)
    await turn()
  }
}
