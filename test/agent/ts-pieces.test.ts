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

/** A recording of a broadcast: a clip in that codec, as the stream with that number. */
async function recording(clip: keyof typeof CLIPS, codec: string, pid: number): Promise<string> {
  const target = at(`${clip}-${codec}-${pid}.mpegts`)
  return await ffmpeg`-i ${CLIPS[clip].file} -c:a ${codec} -ar 48000 -streamid ${`0:${pid}`} -f mpegts ${target}`
}

async function joined(name: string, files: readonly string[]): Promise<string> {
  await writeFile(at(name), Buffer.concat(await Promise.all(files.map((file) => readFile(file)))))
  return at(name)
}

/** What is decoded of its first track: how long it is, and how loud it is in each of these seconds. */
async function heard(file: string, ...seconds: number[]) {
  const media = await probe(tools, file, { signal })
  const wav = `${file}.wav`
  await decode(tools, file, 0, wav, { signal, media, onProgress: () => undefined })
  const reader = await WavReader.open(wav)
  const levels: number[] = []
  for (const from of seconds) {
    const samples = await reader.read(from * 16_000, (from + 1) * 16_000)
    levels.push(Math.hypot(...samples) / Math.sqrt(16_000))
  }
  await reader.close()
  return { pieces: media.pieces?.length ?? 1, seconds: reader.header.durationSeconds, levels }
}

describe('the sound of a transport stream', () => {
  for (const [name, codec, pid] of [
    ['another stream in another codec', 'aac', 257],
    ['another stream in the same codec', 'mp2', 257],
    ['the same stream in another codec', 'ac3', 256],
  ] as const) {
    it(`is read to its end where it goes on as ${name}`, async () => {
      const parts = [await recording('jfk', 'mp2', 256), await recording('austen', codec, pid)]
      const { pieces, seconds, levels } = await heard(await joined(`${codec}-${pid}`, parts), 1, 13)
      assert.equal(pieces, 2)
      assert.ok(Math.abs(seconds - 18.1) < 0.3, `${seconds}`)
      assert.ok(
        levels.every((level) => level > 0.01),
        levels.join(),
      )
    })
  }

  it('is read to its end beside a picture, and with packets of 192 bytes', async () => {
    const picture = '-f lavfi -i testsrc=size=160x120:rate=10 -t 7 -c:v mpeg2video'.split(' ')
    const parts = [
      await ffmpeg`-i ${CLIPS.austen.file} ${picture} -c:a ac3 -ar 48000 -streamid 1:4353 -mpegts_m2ts_mode 1 -f mpegts ${at('one')}`,
      await ffmpeg`-i ${CLIPS.austen.file} ${picture} -c:a ac3 -ar 48000 -streamid 1:4354 -mpegts_m2ts_mode 1 -f mpegts ${at('two')}`,
    ]
    const { pieces, seconds } = await heard(await joined('film', parts))
    assert.equal(pieces, 2)
    assert.ok(Math.abs(seconds - 14) < 0.5, `${seconds}`)
  })

  it('is one piece where nothing but more or fewer streams come, or several programs lie side by side', async () => {
    const { jfk, austen } = CLIPS
    const two =
      await ffmpeg`-i ${austen.file} -i ${jfk.file} -map 0 -map 1 -c:a mp2 -ar 48000 -streamid 0:256 -streamid 1:257 -f mpegts ${at('both')}`
    const one = await recording('austen', 'mp2', 256)
    const programs = ['-program', 'st=0', '-program', 'st=1']
    const beside =
      await ffmpeg`-i ${austen.file} -i ${jfk.file} -map 0 -map 1 -c:a mp2 -ar 48000 ${programs} -f mpegts ${at('programs')}`
    for (const file of [
      await joined('fewer', [two, one]),
      await joined('more', [one, two]),
      beside,
    ]) {
      assert.equal((await probe(tools, file, { signal })).pieces, undefined, file)
    }
  })
})
