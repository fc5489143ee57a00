import assert from 'node:assert/strict'
import path from 'node:path'
import { describe, it } from 'node:test'
import { wordErrors } from '../../agent/wer.ts'
import { convertFile, embeddedPipeline, heardIn } from './embedded.ts'
import { CLIPS, ffmpeg } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const pipeline = await embeddedPipeline()

const { jfk, austen } = CLIPS
const at = (name: string): string => path.join(folder, name)

async function listenTo(file: string, taskOptions: Record<string, unknown> = {}) {
  const heard = heardIn(
    await convertFile(pipeline, folder, file, { taskOptions: { language: 'en', ...taskOptions } }),
  )
  return { ...heard, said: heard.said() }
}

/** Two voices, each on a track of its own with a filter over it, the second one later and a comment. */
async function twoVoices(first: string, second: string, name: string): Promise<string> {
  const filters = `[0:a]${first}[a];[1:a]adelay=12000,${second}[b]`
  return await ffmpeg`-i ${jfk.file} -i ${austen.file} -filter_complex ${filters} -map [a] -map [b]
    -c:a flac -disposition:a:0 default -disposition:a:1 comment ${at(name)}`
}

const TURNED_OVER = 'pan=stereo|c0=c0|c1=-1*c0'
const QUIET = 'volume=-45dB'

describe('of several tracks', () => {
  for (const [name, filter, warning] of [
    ['one side is turned over', TURNED_OVER, /inverted/],
    ['its voice is at -45 dB', QUIET, /turned up by \d+ dB/],
  ] as const) {
    it(`the default one is used also where ${name}`, async () => {
      const file = await twoVoices(filter, 'anull', `${name.replaceAll(/\W/g, '-')}.mka`)
      const { said, warnings } = await listenTo(file)
      assert.ok(wordErrors(jfk.text, said).errors <= 1, `${said} ${warnings}`)
      assert.match(warnings, warning)
    })
  }

  it('each is in the mix, whatever its channels and its level are', async () => {
    const file = await twoVoices(TURNED_OVER, QUIET, 'mix.mka')
    const { said, warnings } = await listenTo(file, { audio_track: 'mix' })
    assert.ok(wordErrors(`${jfk.text} ${austen.text}`, said).errors <= 3, `${said} ${warnings}`)
    assert.match(warnings, /Track 1: [^.]*inverted/)
    assert.match(warnings, /Track 2: [^.]*turned up by \d+ dB/)
  })
})
