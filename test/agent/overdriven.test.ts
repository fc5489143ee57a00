import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { probe } from '../../agent/media/media.ts'
import { measure } from '../../agent/media/measure.ts'
import { chooseMix } from '../../agent/media/mix.ts'
import { CLIPS, ffmpeg, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)

/** What is said about the level of a file. */
async function warningsOf(file: string): Promise<string> {
  const media = await probe(tools, file, { signal })
  const options = { signal, media, onProgress: () => undefined }
  const stats = await measure(tools, file, media.audio[0]!, options)
  return chooseMix(stats!, null).warnings.join(' ')
}

describe('speech that was cut off at full scale', () => {
  for (const clip of ['jfk', 'austen'] as const) {
    it(`is reported, also once it was coded again (${clip})`, async () => {
      const plain =
        await ffmpeg`-i ${CLIPS[clip].file} -af volume=25dB -c:a pcm_s16le ${at('cut.wav')}`
      assert.match(await warningsOf(plain), /overdriven/)
      const coded = await ffmpeg`-i ${plain} -ar 44100 -b:a 64k ${at('cut.mp3')}`
      assert.match(await warningsOf(coded), /overdriven/)
      const call = await ffmpeg`-i ${plain} -ar 8000 -c:a pcm_mulaw ${at('call.wav')}`
      assert.match(await warningsOf(call), /overdriven/)
    })

    it(`is not what is loud by a limiter, or in floating-point samples (${clip})`, async () => {
      assert.equal(await warningsOf(CLIPS[clip].file), '')
      const loud =
        await ffmpeg`-i ${CLIPS[clip].file} -af ${'loudnorm=I=-9:TP=-0.5'} -ar 16000 ${at('loud.wav')}`
      assert.equal(await warningsOf(loud), '')
      const float =
        await ffmpeg`-i ${CLIPS[clip].file} -af ${'volume=25dB:precision=float'} -c:a pcm_f32le ${at('float.wav')}`
      assert.equal(await warningsOf(float), '')
    })
  }
})
