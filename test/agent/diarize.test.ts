import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { clusteringFor, correctedCount } from '../../agent/diarization/diarization.ts'
import { diarize, type DiarizeOptions } from '../../agent/diarization/sherpa-diarize.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, gone, makeSilence, tempFolder } from './fixtures.ts'
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

  it('says that its process crashed, and how', async () => {
    const crashed = diarize(await endless(), options())
    await whenStarted((pid) => process.kill(pid, 'SIGSEGV'))
    await assert.rejects(crashed, isError('engine_failed', /diarization ended \(SIGSEGV\)/))
  })

  it('stops with the reason of the signal, and leaves no process', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const stopped = diarize(await endless(), options({ signal: controller.signal }))
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

describe('the number of speakers', () => {
  it('is looked for when it is known, and found out otherwise', () => {
    assert.deepEqual(clusteringFor(2, 2), { numClusters: 2, threshold: 0.9 })
    for (const [min, max] of [
      [null, null],
      [2, null],
      [null, 3],
      [2, 3],
    ] as const) {
      assert.deepEqual(clusteringFor(min, max), { numClusters: -1, threshold: 0.9 })
    }
  })

  it('is insisted on when too few or too many were found', () => {
    assert.deepEqual([correctedCount(5, 2, 3), correctedCount(5, null, 3)], [3, 3])
    assert.deepEqual([correctedCount(1, 2, 3), correctedCount(1, 2, null)], [2, 2])
    assert.deepEqual([correctedCount(2, 2, 3), correctedCount(9, null, null)], [null, null])
    assert.deepEqual([correctedCount(0, 2, 3), correctedCount(1, 2, 2)], [null, null])
  })
})

/** So long that its process is still reading it when the test has seen it. */
function endless(): Promise<string> {
  const wav = path.join(folder, 'endless.wav')
  return ffmpeg`-stream_loop 600 -i ${CLIPS.jfk.file} -c:a pcm_s16le ${wav}`
}

async function whenStarted(act: (pid: number) => void): Promise<void> {
  for (;;) {
    const [pid] = sherpaChildren()
    if (pid !== undefined) return act(pid)
    await turn()
  }
}
