import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { decode, probe } from '../../agent/media/media.ts'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { cutWav } from '../../agent/audio/wav-cut.ts'
import { AppError } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, makeSilence, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)

/** The bytes of a WAV file's samples. */
async function samplesOf(file: string): Promise<Buffer> {
  const { dataOffset, samples } = await readWavHeader(file)
  return (await readFile(file)).subarray(dataOffset, dataOffset + samples * 2)
}

describe('cutWav', () => {
  it('joins stretches sample by sample', async () => {
    const spans = [
      { start: 0.5, end: 1.00003 },
      { start: 2, end: 2 },
      { start: 4.25, end: 9 },
    ]
    assert.equal(await cutWav(CLIPS.jfk.file, spans, at('cut.wav'), signal), 5.25)
    const [whole, cut] = [await samplesOf(CLIPS.jfk.file), await samplesOf(at('cut.wav'))]
    const expected = [whole.subarray(16_000, 32_000), whole.subarray(136_000, 288_000)]
    assert.ok(cut.equals(Buffer.concat(expected)))
  })

  it('takes the whole file in blocks, across what fits into one', async () => {
    const long = await makeSilence(folder, 60)
    assert.equal(await cutWav(long, [{ start: 0, end: 60 }], at('whole.wav'), signal), 60)
    assert.ok((await samplesOf(at('whole.wav'))).equals(await samplesOf(long)))
  })

  it('leaves out what lies outside the recording', async () => {
    const spans = [
      { start: -3, end: 1 },
      { start: 10.5, end: 99 },
      { start: 20, end: 30 },
    ]
    assert.equal(await cutWav(CLIPS.jfk.file, spans, at('clipped.wav'), signal), 1.5)
    assert.equal((await samplesOf(at('clipped.wav'))).length, 48_000)
  })

  it('writes a file of the right kind, without a sample where nothing is asked for', async () => {
    assert.equal(await cutWav(CLIPS.jfk.file, [], at('none.wav'), signal), 0)
    assert.deepEqual(await readWavHeader(at('none.wav')), {
      sampleRate: 16_000,
      channels: 1,
      samples: 0,
      durationSeconds: 0,
      dataOffset: 44,
    })
    assert.equal((await stat(at('none.wav'))).size, 44)
  })

  it('is read by ffmpeg as what it is', async () => {
    await cutWav(CLIPS.jfk.file, [{ start: 1, end: 4 }], at('three.wav'), signal)
    const { audio, durationSeconds } = await probe(tools, at('three.wav'), { signal })
    assert.equal(durationSeconds, 3)
    assert.equal(audio[0]?.codec, 'pcm_s16le')
    await decode(tools, at('three.wav'), 0, at('again.wav'), { signal, onProgress: () => {} })
    assert.ok((await samplesOf(at('again.wav'))).equals(await samplesOf(at('three.wav'))))
  })

  it('refuses a file that is not 16 kHz and mono', async () => {
    const stereo = await ffmpeg`-i ${CLIPS.jfk.file} -ac 2 -ar 44100 ${at('stereo.wav')}`
    const cut = cutWav(stereo, [{ start: 0, end: 1 }], at('refused.wav'), signal)
    await assert.rejects(cut, (error: AppError) => error.code === 'invalid_media')
    assert.ok(!existsSync(at('refused.wav')))
  })

  it('stops with the reason of the signal and leaves nothing behind', async () => {
    const reason = new AppError('cancelled', 'enough')
    const controller = new AbortController()
    const cut = cutWav(CLIPS.jfk.file, [{ start: 0, end: 9 }], at('stopped.wav'), controller.signal)
    controller.abort(reason)
    await assert.rejects(cut, (error) => error === reason)
    assert.ok(!existsSync(at('stopped.wav')) && !existsSync(at('stopped.wav.part')))
  })
})
