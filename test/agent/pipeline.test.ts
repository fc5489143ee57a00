import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readdir, readFile, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { MOONSHINE } from '../../agent/engines/moonshine/definition.ts'
import { SherpaEngine } from '../../agent/engines/sherpa/engine.ts'
import { modelsDir } from '../../agent/paths.ts'
import type { ConvertInput } from '../../agent/transcription/conversion.ts'
import { createPipeline, type Converted } from '../../agent/work/pipeline.ts'
import { STAGES, type Progress } from '../../agent/progress/progress.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { createVoiceDetector } from '../../agent/transcription/voice-detector.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import {
  AUDIO,
  CLIPS,
  ffmpeg,
  isLossless,
  makeMedia,
  makeMute,
  makeSilence,
  testTools,
  VIDEO,
} from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { remembering } from './embedded.ts'
import { seededBytes } from '../shared/seeded-random.ts'

const folder = tempFolder()
const workDir = path.join(folder, 'work')
const at = (name: string): string => path.join(folder, name)
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

const slots = new Slots([
  { index: 0, gpu: null },
  { index: 1, gpu: null },
])
const engine = new SherpaEngine(MOONSHINE, { modelsDir: modelsDir(), threads: null })
const remembered = remembering(engine)
const pipeline = createPipeline({
  tools: await testTools(),
  engine: remembered,
  slots,
  vad: createVoiceDetector({ dir: modelsDir() }),
  speakers: { always: false, prefix: 'Speaker_', models: null, command: null },
  models: [],
})
after(() => pipeline.close())

function convert(
  sourcePath: string,
  contentType: string,
  more: Partial<ConvertInput> = {},
): Promise<Converted> {
  return pipeline.convert({
    jobId: 'j1',
    sourcePath,
    filename: path.basename(sourcePath),
    contentType,
    taskOptions: {},
    workDir,
    signal: new AbortController().signal,
    report: () => undefined,
    ...more,
  })
}

const heard = ({ transcript }: Converted): string =>
  transcript.segments.map(({ text }) => text).join(' ')

/** Of a recording whose speakers are not wanted. */
const SPEECH_STAGES = STAGES.filter((stage) => stage !== 'converting' && stage !== 'diarizing')

describe('a clip', () => {
  for (const extension of [...AUDIO, ...VIDEO]) {
    const kind = (AUDIO as readonly string[]).includes(extension) ? 'audio' : 'video'
    it(`in ${extension} comes back as its words`, async () => {
      let errors = 0
      for (const clip of isLossless(extension)
        ? (['jfk', 'austen'] as const)
        : (['austen'] as const)) {
        const source = await makeMedia(folder, clip, extension)
        const converted = await convert(source, kind)
        const wrong = wordErrors(CLIPS[clip].text, heard(converted)).errors
        if (isLossless(extension)) assert.ok(wrong <= (clip === 'jfk' ? 0 : 1), heard(converted))
        errors += wrong
        const { metadata, content } = converted
        assert.equal(metadata['has_speech'], true)
        assert.deepEqual(metadata['warnings'], [])
        assert.ok(Math.abs(Number(metadata['duration']) - CLIPS[clip].seconds) < 0.2)
        assert.match(String(metadata['mime_type']), new RegExp(`^${kind}/`))
        const title = kind === 'audio' ? 'Audio Transcription' : 'Video Analysis'
        assert.ok(content.startsWith(`# ${title}: ${clip}.${extension}\n`))
        assert.match(content, /Transcript\n\n\[00:00\] And/)
      }
      assert.ok(errors <= 2, `${errors} word errors`)
    })
  }
})

describe('convert', () => {
  it('listens to the beginning alone where that is enough', async () => {
    for (const [extension, kind] of [
      ['wav', 'audio'],
      ['mp4', 'video'],
    ] as const) {
      const source = await makeMedia(folder, 'jfk', extension)
      const { metadata, transcript } = await convert(source, kind, {
        taskOptions: { limit_seconds: 3 },
      })
      assert.ok(Math.abs(Number(metadata['duration']) - 3) < 0.1, String(metadata['duration']))
      assert.deepEqual(metadata['warnings'], [])
      assert.match(transcript.segments[0]!.text, /^And so/)
      assert.equal(metadata['language'], 'en')
    }
  })

  it('says what the file is and what was used', async () => {
    const { metadata } = await convert(CLIPS.jfk.file, 'audio', { filename: 'speech.wav' })
    const bytes = await readFile(CLIPS.jfk.file)
    const { segments, ...rest } = metadata
    assert.equal((segments as unknown[]).length, 1)
    assert.deepEqual(rest, {
      duration: 11,
      language: 'en',
      languages: [{ language: 'en', share: 1 }],
      speakers: [],
      has_speaker_info: false,
      num_speakers: 0,
      word_count: 22,
      segment_count: 1,
      engine: engine.info,
      has_speech: true,
      warnings: [],
      file_name: 'speech.wav',
      source_name: 'speech.wav',
      file_extension: 'wav',
      file_size: bytes.length,
      checksum: createHash('sha256').update(bytes).digest('hex'),
      mime_type: 'audio/wav',
      audio: { codec: 'pcm_s16le', sample_rate: 16_000, channels: 1, track: 0 },
      channels: 1,
      sample_rate: 16_000,
      bit_depth: 16,
      has_topic_info: false,
      num_topics: 0,
      topics: [],
    })
  })

  it('spells the terms of its vocabulary, and says where', async () => {
    const vocabulary = [{ term: 'Jon Dashwood', heard_as: ['John Dashwood'] }, 'Middleton']
    const { metadata, content } = await convert(CLIPS.austen.file, 'audio', {
      taskOptions: { vocabulary },
    })
    assert.match(content, /Mr.? Jon Dashwood had/)
    const [segment] = metadata['segments'] as { raw_text: string }[]
    assert.match(segment!.raw_text, /John Dashwood/)
    const listed = metadata['replacements'] as object[]
    const where = { segment: 0, from: 'John Dashwood', to: 'Jon Dashwood' }
    assert.deepEqual(
      listed.map((one) => ({ ...one, start: 0 })),
      [{ ...where, start: 0 }],
    )
    assert.deepEqual(metadata['warnings'], [])
  })

  it('says that it found no chapters in a short recording', async () => {
    const { metadata } = await convert(CLIPS.jfk.file, 'audio', { taskOptions: { chapters: true } })
    assert.match(String(metadata['warnings']), /^No chapters were found/)
    assert.equal(metadata['chapters'], undefined)
  })

  it('takes a digest that is known already', async () => {
    const { metadata } = await convert(CLIPS.austen.file, 'audio', { sha256: 'known' })
    assert.equal(metadata['checksum'], 'known')
  })

  it('reports every stage in order, never going back, and leaves its folder empty', async () => {
    const seen: Progress[] = []
    await convert(CLIPS.jfk.file, 'audio', { report: (progress) => void seen.push(progress) })
    const ratios = seen.map(({ ratio }) => ratio)
    assert.deepEqual(
      ratios.toSorted((a, b) => a - b),
      ratios,
    )
    const stages = [...new Set(seen.map(({ stage }) => stage))]
    assert.deepEqual(stages, SPEECH_STAGES.slice(1, -1))
    const last = seen.findLast(({ stage }) => stage === 'transcribing')
    assert.equal(last?.mediaSeconds, 11)
    assert.equal(last.processedSeconds, 11)
    assert.deepEqual(await readdir(workDir), [])
  })

  it('succeeds without speech', async () => {
    const { metadata, content } = await convert(await makeSilence(folder, 3), 'audio')
    assert.equal(metadata['has_speech'], false)
    assert.equal(metadata['segment_count'], 0)
    assert.match(String(metadata['warnings']), /No speech was found/)
    assert.match(content, /## Detailed Transcript\n$/)
  })

  it('hears the track that holds speech, or all at once where that is asked for', async () => {
    const film = await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -i ${CLIPS.jfk.file}
      -f lavfi -i anoisesrc=a=0.001:r=16000 -map 0:a -map 1:a -map 2:a -t 11
      -c:a flac -disposition:a:0 default ${at('silent-first.mkv')}`
    const converted = await convert(film, 'audio')
    assert.equal(wordErrors(CLIPS.jfk.text, heard(converted)).errors, 0)
    const said = String(converted.metadata['warnings'])
    assert.match(said, /3 audio tracks: track 2 was used.*Not used: 1 \(almost no speech\), 3/)
    const calls = await ffmpeg`-i ${CLIPS.austen.file} -itsoffset 8 -i ${CLIPS.jfk.file}
      -map 0:a -map 1:a -c:a flac ${at('voices.mkv')}`
    const mixed = await convert(calls, 'audio', { taskOptions: { audio_track: 'mix' } })
    const both = `${CLIPS.austen.text} ${CLIPS.jfk.text}`
    assert.ok(wordErrors(both, heard(mixed)).errors <= 1, heard(mixed))
    assert.match(String(mixed.metadata['warnings']), /2 audio tracks: 1, 2 were mixed/)
  })

  it('hears the track in the language asked for', async () => {
    const film = await ffmpeg`-f lavfi -i testsrc=size=160x120:rate=10 -i ${CLIPS.jfk.file}
      -i ${CLIPS.austen.file} -map 0:v -map 1:a -map 2:a -t 11 -c:v libx264 -preset ultrafast
      -c:a flac -metadata:s:a:0 language=ger -metadata:s:a:1 language=eng
      -disposition:a:0 default -disposition:a:1 0 ${at('two.mkv')}`
    const converted = await convert(film, 'video', { taskOptions: { language: 'en-US' } })
    assert.equal(wordErrors(CLIPS.austen.text, heard(converted)).errors, 0)
    assert.equal((converted.metadata['audio'] as { track: number }).track, 1)
    assert.match(String(converted.metadata['warnings']), /2 audio tracks: track 2 \(eng\)/)
    assert.equal(converted.metadata['width'], 160)
    // Its sound ends before its picture does.
    assert.equal(Math.round(converted.transcript.durationSeconds), 11)
  })

  it('puts chapters over their lines', async () => {
    await writeFile(
      at('chapters.txt'),
      ';FFMETADATA1\n[CHAPTER]\nTIMEBASE=1/1\nSTART=0\nEND=11\ntitle=Inauguration\n',
    )
    const book =
      await ffmpeg`-i ${CLIPS.jfk.file} -i ${at('chapters.txt')} -map 0:a -map_metadata 1 -c:a aac ${at('book.m4a')}`
    const { content } = await convert(book, 'audio')
    assert.match(content, /Transcript\n\n# Inauguration \[0\]\n\n\[00:00\] And so/)
  })

  it('refuses a language that the engine does not know, and one that is no text', async () => {
    for (const [language, refused] of [
      ['de', 'unsupported_language'],
      [5, 'invalid'],
    ] as const) {
      await assert.rejects(
        convert(CLIPS.jfk.file, 'audio', { taskOptions: { language } }),
        code(refused),
      )
    }
    for (const language of [null, '', 'auto', undefined]) {
      const { metadata } = await convert(CLIPS.austen.file, 'audio', { taskOptions: { language } })
      assert.equal(metadata['language'], 'en')
    }
  })

  it('takes a recording sent as video, and a film sent as audio, with a warning', async () => {
    const recording = await convert(CLIPS.austen.file, 'video')
    assert.match(recording.content, /^# Video Analysis: austen\.wav\n/)
    assert.match(String(recording.metadata['warnings']), /no moving picture/)
    assert.ok(!('width' in recording.metadata))
    const film = await convert(at('austen.mp4'), 'audio')
    assert.match(film.content, /^# Audio Transcription: austen\.mp4\n/)
    assert.match(String(film.metadata['warnings']), /only its sound/)
    assert.equal(wordErrors(CLIPS.austen.text, heard(film)).errors, 0)
  })

  it('takes sound alone in a container for films for a recording, whatever it is called', async () => {
    for (const [name, codec] of [
      ['browser.webm', 'libopus'],
      ['radio.ts', 'mp2'],
    ] as const) {
      const recorded = await ffmpeg`-i ${CLIPS.austen.file} -c:a ${codec} -ar 48000 ${at(name)}`
      const { content, metadata } = await convert(recorded, 'video')
      assert.ok(content.startsWith(`# Audio Transcription: ${name}\n`), content)
      assert.deepEqual(metadata['warnings'], [])
    }
  })

  it('says that a file breaks off', async () => {
    const source = await makeMedia(folder, 'jfk', 'mkv')
    await truncate(source, 200_000)
    const { metadata } = await convert(source, 'video')
    assert.match(String(metadata['warnings']), /may be cut off/)
    assert.equal(metadata['has_speech'], true)
  })

  it('fails random bytes as invalid_media and leaves nothing', async () => {
    for (const name of ['noise.mp3', 'noise.mp4', 'noise']) {
      await writeFile(at(name), seededBytes(1, 100_000))
      await assert.rejects(convert(at(name), 'audio'), (error: AppError) => {
        assert.equal(error.code, 'invalid_media')
        assert.ok(!error.message.includes(folder), 'no local path in what is sent on')
        return true
      })
    }
    assert.deepEqual(await readdir(workDir), [])
  })

  it('fails a missing file, a content type of others, and a mute film', async () => {
    await assert.rejects(convert(at('nowhere.mp3'), 'audio'), code('source_missing'))
    await assert.rejects(convert(CLIPS.jfk.file, 'document'), code('unsupported_type'))
    await assert.rejects(convert(await makeMute(folder), 'video'), code('no_audio'))
  })

  it('reads the subtitles of a mute film', async () => {
    await writeFile(at('mute.srt'), '1\n00:00:01,000 --> 00:00:03,000\nNo sound,\nbut text\n')
    const mute = await makeMute(folder, 'mute.mkv', `-i ${at('mute.srt')}`)
    const { content, metadata } = await convert(mute, 'video')
    assert.match(
      content,
      /- \*\*Audio\*\*: none\n\n## Transcript\n\n\[00:01\] No sound, but text\n$/,
    )
    assert.equal(metadata['has_speech'], true)
    assert.equal(metadata['audio'], null)
    assert.equal(metadata['engine'], null)
    assert.match(String(metadata['warnings']), /subtitle track 1/)
  })

  it('gives the chapters of a mute film', async () => {
    const mute = await makeMute(folder, 'chapters.mkv', `-i ${at('chapters.txt')}`)
    const { content, metadata } = await convert(mute, 'video')
    assert.match(content, /## Transcript\n\n# Inauguration \[0\]\n$/)
    assert.equal(metadata['has_speech'], false)
    assert.match(String(metadata['warnings']), /only its chapters/)
  })

  it('stops in any stage with the reason of the signal, and leaves nothing', async () => {
    for (const stage of SPEECH_STAGES.slice(1, -2)) {
      const controller = new AbortController()
      const reason = new AppError('cancelled', stage)
      const stopped = convert(CLIPS.jfk.file, 'audio', {
        signal: controller.signal,
        report: (progress) => progress.stage === stage && controller.abort(reason),
      })
      await assert.rejects(stopped, (error) => error === reason, stage)
      assert.deepEqual(await readdir(workDir), [])
    }
    assert.match(heard(await convert(CLIPS.jfk.file, 'audio')), /country/)
  })

  it('does several files at once', async () => {
    const results = await Promise.all([
      convert(CLIPS.jfk.file, 'audio', { workDir: at('one') }),
      convert(CLIPS.austen.file, 'audio', { workDir: at('two') }),
      assert.rejects(convert(at('noise'), 'audio', { workDir: at('three') })),
    ])
    assert.match(heard(results[0]), /country/)
    assert.match(heard(results[1]), /Dashwood/)
  })
})
