import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { decode, probe } from '../../agent/media/media.ts'
import { WavReader } from '../../agent/audio/wav.ts'
import { CLIPS, ffmpeg, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const tools = await testTools()
const signal = new AbortController().signal
const at = (name: string): string => path.join(folder, name)
const { jfk, austen } = CLIPS
const PICTURE = '-f lavfi -i testsrc=size=160x120:rate=25'.split(' ')

async function joined(name: string, ...files: string[]): Promise<string> {
  await writeFile(at(name), Buffer.concat(await Promise.all(files.map((one) => readFile(one)))))
  return at(name)
}

/** When somebody speaks, in whole seconds: pauses of two seconds are pauses. */
async function spoken(file: string): Promise<string> {
  const media = await probe(tools, file, { signal })
  const options = { signal, media, onProgress: () => undefined }
  const { brokenOff } = await decode(tools, file, 0, at('out.wav'), options)
  if (brokenOff !== null) return 'broken off'
  const reader = await WavReader.open(at('out.wav'))
  const spans: [number, number][] = []
  let now = 0
  for await (const block of reader.blocks(1600)) {
    const last = spans.at(-1)
    if (Math.sqrt(block.reduce((sum, one) => sum + one * one, 0) / block.length) > 0.005) {
      if (last !== undefined && now - last[1] < 2) last[1] = now
      else spans.push([now, now])
    }
    now += 0.1
  }
  await reader.close()
  return spans.map((span) => span.map(Math.round).join('-')).join(', ')
}

describe('sound whose form changes', () => {
  it('goes on where it was, and all of it is there', async () => {
    const one = await ffmpeg`-i ${jfk.file} -ac 1 -ar 44100 ${at('one.mp3')}`
    const two = await ffmpeg`-i ${austen.file} -ac 2 -ar 16000 ${at('two.mp3')}`
    const mp3 = await joined('rates.mp3', one, two, one)
    assert.equal(await spoken(mp3), '0-29')
    assert.equal(await spoken(await ffmpeg`-i ${mp3} -c copy ${at('rates.mka')}`), '0-29')
    const left = await ffmpeg`-i ${jfk.file} -ac 2 -ar 48000 -c:a ac3 ${at('left.ac3')}`
    const right = await ffmpeg`-i ${austen.file} -ac 6 -ar 48000 -c:a ac3 ${at('right.ac3')}`
    const ac3 = await joined('layouts.ac3', left, right, left)
    assert.equal(await spoken(await ffmpeg`-i ${ac3} -c copy ${at('layouts.ts')}`), '0-29')
  })
})

describe('files that are joined without a program', () => {
  const mono = `-ac 1 -ar 16000`.split(' ')
  const stereo = `-ac 2 -ar 44100`.split(' ')
  it('are read to their end, whatever their forms are', async () => {
    const flac = [
      await ffmpeg`-i ${jfk.file} ${mono} ${at('1.flac')}`,
      await ffmpeg`-i ${austen.file} ${stereo} ${at('2.flac')}`,
    ]
    assert.equal(await spoken(await joined('joined.flac', ...flac)), '0-18')
    const ogg = [
      await ffmpeg`-i ${jfk.file} ${mono} -c:a libvorbis ${at('1.ogg')}`,
      await ffmpeg`-i ${austen.file} ${stereo} -c:a libvorbis ${at('2.ogg')}`,
    ]
    assert.equal(await spoken(await joined('joined.ogg', ...ogg)), '0-18')
    const opus = [
      await ffmpeg`-i ${austen.file} -ac 1 -c:a libopus ${at('1.opus')}`,
      await ffmpeg`-i ${jfk.file} -ac 2 -c:a libopus ${at('2.opus')}`,
    ]
    assert.equal(await spoken(await joined('joined.opus', ...opus, ...opus)), '0-36')
    assert.equal(await spoken(await joined('mixed.ogg', opus[0]!, ogg[0]!)), '0-18')
  })
})

describe('sound of a broadcast', () => {
  for (const [name, codecs] of Object.entries({
    ts: '-c:v libx264 -preset ultrafast -c:a aac',
    m2ts: '-c:v libx264 -preset ultrafast -c:a ac3 -ar 48000',
    mpg: '-c:v mpeg2video -c:a mp2 -ar 48000',
  })) {
    it(`begins late and pauses where it does: ${name}`, async () => {
      const late = await ffmpeg`${PICTURE} -itsoffset 30 -i ${jfk.file} -map 0:v -map 1:a -t 42
        ${codecs.split(' ')} ${at(`late.${name}`)}`
      assert.equal(await spoken(late), '30-41')
      const pause = "[1:a][2:a]concat=n=2:v=0:a=1,asetpts='if(gte(T,11),PTS+29/TB,PTS)'[x]"
      const gap = await ffmpeg`${PICTURE} -i ${jfk.file} -i ${austen.file} -filter_complex ${pause}
        -map 0:v -map ${'[x]'} -t 48 ${codecs.split(' ')} ${at(`gap.${name}`)}`
      assert.equal(await spoken(gap), '0-11, 40-47')
    })
  }

  it('goes on where its clock is set forward or back', async () => {
    const make = (clip: { file: string; seconds: number }, name: string, offset: number) =>
      ffmpeg`${PICTURE} -i ${clip.file} -t ${clip.seconds} -c:v libx264 -preset ultrafast -c:a aac
        -output_ts_offset ${offset} ${at(name)}`
    const [one, two] = [await make(jfk, 'one.ts', 0), await make(austen, 'two.ts', 20_000)]
    assert.equal(await spoken(await joined('forward.ts', one, two)), '0-18')
    assert.equal(await spoken(await joined('back.ts', two, one)), '0-18')
  })
})
