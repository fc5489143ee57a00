import assert from 'node:assert/strict'
import { mkdir, mkdtemp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { fileURLToPath } from 'node:url'
import { chooseEngine } from '../../agent/engines/registry.ts'
import { engineSettings } from './engine-request.ts'
import { convertFile, embeddedPipeline } from './embedded.ts'
import { CLIPS, ffmpeg } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { installReplay } from './replay/install.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const pipeline = await embeddedPipeline()

/** Speech in that language. */
const spoken = (language: string): string =>
  fileURLToPath(new URL(`recorded/languages/${language}.opus`, import.meta.url))

const convert = async (file: string, taskOptions: Record<string, unknown> = {}) =>
  await convertFile(pipeline, folder, file, { taskOptions })

describe('an engine that knows English only', () => {
  for (const language of ['nl', 'pl']) {
    it(`refuses speech in '${language}' where the job names no language`, async () => {
      const refused = { code: 'unsupported_language', message: /does not seem to be English/ }
      await assert.rejects(convert(spoken(language)), refused)
    })
  }

  it('claims no language, and warns, where the job says that other speech is English', async () => {
    const { transcript, metadata } = await convert(spoken('nl'), { language: 'en' })
    assert.equal(transcript.language, null)
    assert.match(String(metadata['warnings']), /another language than English/)
  })

  it('says loudly that another language follows, or goes before, within two minutes', async () => {
    const gap =
      '[0:a]aformat=sample_rates=16000:channel_layouts=mono,apad=pad_dur=3[a];[1:a]aformat=sample_rates=16000:channel_layouts=mono[b];[a][b]concat=n=2:v=0:a=1'
    for (const [first, second] of [
      [CLIPS.jfk.file, spoken('nl')],
      [spoken('nl'), CLIPS.jfk.file],
    ]) {
      const file =
        await ffmpeg`-i ${first!} -i ${second!} -filter_complex ${gap} ${path.join(folder, 'both.flac')}`
      const { transcript, metadata } = await convert(file)
      assert.equal(transcript.language, null)
      assert.match(
        transcript.segments.map(({ text }) => text).join(' '),
        /ask not what your country/i,
      )
      assert.match(
        String(metadata['warnings']),
        /Between 00:00 and 00:\d\d some of the speech seems to be in another language than English/,
      )
    }
  })

  it('gives no text where it hears none, and says that it may be another language', async () => {
    const { transcript, metadata } = await convert(spoken('de'))
    assert.deepEqual([transcript.language, transcript.segments], [null, []])
    assert.match(String(metadata['warnings']), /may not be English.*no words/)
  })

  it('takes English for English, whatever the tag of the track says', async () => {
    const tagged = await ffmpeg`-i ${CLIPS.jfk.file} -c:a flac -metadata:s:a:0 language=ger
      ${path.join(folder, 'tagged.mka')}`
    for (const file of [CLIPS.austen.file, tagged]) {
      const { transcript, metadata } = await convert(file)
      assert.equal(transcript.language, 'en')
      assert.doesNotMatch(String(metadata['warnings']), /language/)
    }
  })
})

describe('the engine that is chosen by itself', () => {
  /** What `auto` is on a CPU with whisper.cpp and that model of it, for a job in that language. */
  async function chosen(model: string | null, language: string | null): Promise<string> {
    const dir = await mkdtemp(path.join(folder, 'models-'))
    if (model !== null) await writeFile(path.join(dir, `ggml-${model}.bin`), '')
    const bin = path.join(folder, 'bin')
    await mkdir(bin, { recursive: true })
    await installReplay(bin, 'whisper-server')
    const before = process.env['PATH']
    process.env['PATH'] = bin
    try {
      const choice = await chooseEngine('auto', engineSettings(dir), signal, { language })
      return choice.engine.info.name
    } finally {
      process.env['PATH'] = before
    }
  }

  it('knows the language of the job where one here does', async () => {
    assert.equal(await chosen('base', 'de'), 'whisper-cpp')
    assert.equal(await chosen('base', null), 'whisper-cpp')
    assert.equal(await chosen('base', 'en'), 'moonshine')
    assert.equal(await chosen('base.en', 'de'), 'moonshine')
    assert.equal(await chosen(null, 'de'), 'moonshine')
  })
})
