import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { wordErrors } from '../../agent/wer.ts'
import { convertFile, embeddedPipeline, heardIn } from './embedded.ts'
import { CLIPS, ffmpeg } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const pipeline = await embeddedPipeline()

const listenTo = async (file: string, taskOptions: Record<string, unknown> = {}) =>
  heardIn(
    await convertFile(pipeline, folder, file, { taskOptions: { language: 'en', ...taskOptions } }),
  )

const { jfk } = CLIPS
const at = (name: string): string => path.join(folder, name)

/** jfk on one of several channels of a WAV file that does not say what they are. */
async function onChannel(channel: number, channels: number, target: string): Promise<string> {
  const clip = await readFile(jfk.file)
  const { dataOffset, samples } = await readWavHeader(jfk.file)
  const header = Buffer.from(clip.subarray(0, 44))
  header.write('data', 36, 'latin1')
  const sound = Buffer.alloc(samples * channels * 2)
  for (let i = 0; i < samples; i++) {
    clip.copy(sound, (i * channels + channel) * 2, dataOffset + i * 2, dataOffset + i * 2 + 2)
  }
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(channels, 22)
  header.writeUInt32LE(16_000 * channels * 2, 28)
  header.writeUInt16LE(channels * 2, 32)
  header.writeUInt32LE(sound.length, 40)
  await writeFile(target, Buffer.concat([header, sound]))
  return target
}

/** Files in which the words are at full level, but not where the usual mix or a voice detector finds them. */
const KINDS: Record<string, { file: () => Promise<string>; warning: RegExp }> = {
  'one side turned over': {
    file: () => ffmpeg`-i ${jfk.file} -af ${'pan=stereo|c0=c0|c1=-1*c0'} ${at('over.flac')}`,
    warning: /inverted/,
  },
  'ten microphones, nine of them off': {
    file: () => onChannel(9, 10, at('ten.wav')),
    warning: /only channel 10/,
  },
  'the voice on the channel for bass': {
    file: () => ffmpeg`-i ${jfk.file} -af ${'pan=5.1|c3=c0'} ${at('bass.flac')}`,
    warning: /more than bass on channel 4/,
  },
  'a voice at -40 dB': {
    file: () => ffmpeg`-i ${jfk.file} -af ${'volume=-40dB'} ${at('quiet.flac')}`,
    warning: /turned up by \d+ dB/,
  },
  'a voice at -60 dB': {
    file: () =>
      ffmpeg`-i ${jfk.file} -af ${'volume=-60dB:precision=float'} -c:a pcm_f32le ${at('hardly.wav')}`,
    warning: /turned up by \d+ dB/,
  },
  'floating-point samples far above full scale': {
    file: () =>
      ffmpeg`-i ${jfk.file} -af ${'volume=24dB:precision=float'} -c:a pcm_f32le ${at('over.wav')}`,
    warning: /^$/,
  },
}

describe('every word is recognised', () => {
  for (const [name, { file, warning }] of Object.entries(KINDS)) {
    it(`of ${name}`, async () => {
      const { said, warnings } = await listenTo(await file())
      assert.ok(wordErrors(jfk.text, said()).errors <= 1, said())
      assert.match(warnings, warning)
    })
  }
})

describe('a voice that is much quieter than another', () => {
  it('is recognised as well, turned up, with a warning', async () => {
    const { austen } = CLIPS
    const filter = '[1:a]volume=-35dB[q];[0:a][q][2:a]concat=n=3:v=0:a=1'
    const inputs = ['-i', austen.file, '-i', jfk.file, '-i', austen.file]
    const { said, warnings } = await listenTo(
      await ffmpeg`${inputs} -filter_complex ${filter} ${at('one-quiet.flac')}`,
    )
    const { errors } = wordErrors(`${austen.text} ${jfk.text} ${austen.text}`, said())
    assert.ok(errors <= 6, said())
    assert.match(said(), /ask not what your country/)
    assert.match(warnings, /quieter than the rest: it was turned up by up to \d+ dB/)
  })
})

describe('a call whose sides speak at once', () => {
  it('is transcribed side by side, by speaker where the job asks', async () => {
    const sides = '[0:a]apad=whole_dur=12[l];[1:a]adelay=2000,apad=whole_dur=12,volume=-22dB[r]'
    const join = `${sides};[l][r]join=inputs=2:channel_layout=stereo:map=0.0-FL|1.0-FR`
    const call =
      await ffmpeg`-i ${jfk.file} -i ${CLIPS.austen.file} -filter_complex ${join} ${at('call.flac')}`
    const { said } = await listenTo(call, { speaker_names: ['agent', 'customer'] })
    assert.ok(wordErrors(jfk.text, said('agent')).errors <= 3, said('agent'))
    assert.ok(wordErrors(CLIPS.austen.text, said('customer')).errors <= 3, said('customer'))
    const plain = await listenTo(call, { speaker_names: ['agent'], diarize: false })
    assert.match(plain.warnings, /'speaker_names' was ignored: it names the channels of a call/)
    assert.equal(plain.said().length, said().length)
    assert.ok(plain.segments.every((segment) => segment.speaker === undefined))
  })
})
