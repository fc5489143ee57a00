import assert from 'node:assert/strict'
import { cp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { execa } from 'execa'
import type { SpeechOptions, TranscribeRequest } from '../../agent/engines/engine.ts'
import type { SherpaResult } from '../../agent/audio/sherpa.ts'
import { MOONSHINE } from '../../agent/engines/moonshine/definition.ts'
import { MoonshineRecognizer } from '../../agent/engines/moonshine/recognizer.ts'
import { SherpaEngine } from '../../agent/engines/sherpa/engine.ts'
import { SherpaProcess } from '../../agent/engines/sherpa/process.ts'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import type { Span } from '../../shared/span.ts'
import { findSpeech } from '../../agent/audio/vad.ts'
import { readWavHeader } from '../../agent/audio/wav.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { OPTIONS } from './engine-request.ts'
import { CLIPS, ffmpeg, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const folder = tempFolder()
const dir = modelsDir()
const signal = new AbortController().signal
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

const engine = new SherpaEngine(MOONSHINE, { modelsDir: dir, threads: null })
after(() => engine.close())

const slot = { index: 0, gpu: null }
const options: SpeechOptions = { ...OPTIONS, words: false }
const vad = await ensureModel('silero-vad', { dir, signal })
const speechIn = (wavPath: string): Promise<Span[]> =>
  findSpeech(wavPath, { modelFile: path.join(vad, 'silero_vad_v6.onnx'), signal })

/** A request for a recording, its speech found as the pipeline does. */
async function request(
  wavPath: string,
  more: Partial<TranscribeRequest> = {},
): Promise<TranscribeRequest> {
  return {
    wavPath,
    durationSeconds: 11,
    options,
    speech: more.speech ?? (await speechIn(wavPath)),
    slot,
    again: false,
    workDir: folder,
    signal,
    onProgress: () => undefined,
    ...more,
  }
}

/** A request that takes little time: the first words of jfk. */
const short = (more: Partial<TranscribeRequest> = {}): Promise<TranscribeRequest> =>
  request(CLIPS.jfk.file, { speech: [{ start: 0, end: 2.5 }], ...more })

const model = await ensureModel('moonshine-tiny', { dir, signal })
const MODEL = {
  kind: 'moonshine' as const,
  files: {
    encoder: path.join(model, 'encoder_model.onnx'),
    mergedDecoder: path.join(model, 'decoder_model_merged.onnx'),
    tokens: path.join(model, 'tokens.txt'),
  },
  threads: 1,
}

describe('moonshine', () => {
  for (const [name, { file, text, seconds }] of Object.entries(CLIPS)) {
    it(`hears every word of ${name}, with times inside the recording`, async () => {
      const seen: number[] = []
      const onProgress = (at: number): void => void seen.push(at)
      const transcript = await engine.transcribe(await request(file, { onProgress }))
      const heard = transcript.segments.map((segment) => segment.text).join(' ')
      assert.equal(wordErrors(text, heard).errors, 0)
      assert.equal(transcript.language, 'en')
      assert.ok((transcript.segments[0]?.start ?? -1) >= 0)
      assert.ok((transcript.segments.at(-1)?.end ?? 99) <= seconds)
      assert.equal(seen.at(-1), seconds)
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        seen,
      )
    })
  }

  it('reads a stretch again that it has written without punctuation, and keeps its words', async () => {
    const readings = [
      'ask not what your country can do for you',
      'asked not what your country can do for you',
      'Ask not what your country can do, for you.',
    ]
    class Scripted extends MoonshineRecognizer {
      protected override resultOf(): SherpaResult {
        const text = readings.length > 1 ? readings.shift()! : readings[0]!
        return { text, tokens: [], timestamps: [], durations: [], ys_log_probs: [] }
      }
    }
    const speech = [{ start: 0, end: 11 }]
    const { segments } = await new Scripted(MODEL).recognise(
      CLIPS.jfk.file,
      speech,
      () => undefined,
    )
    assert.deepEqual(
      segments.map(({ text }) => text),
      ['Ask not what your country can do, for you.'],
    )
  })

  it('reads a short recording as it is once, and slower and faster to judge its language', async () => {
    const lengths: number[] = []
    class Counting extends MoonshineRecognizer {
      protected override resultOf(samples: Float32Array): SherpaResult {
        lengths.push(samples.length)
        const text = 'Ask what you can do.'
        return { text, tokens: [], timestamps: [], durations: [], ys_log_probs: [] }
      }
    }
    const speech = [{ start: 0, end: 11 }]
    await new Counting(MODEL).recognise(CLIPS.jfk.file, speech, () => undefined)
    const whole = CLIPS.jfk.seconds * 16_000
    assert.deepEqual(lengths, [whole, Math.floor(whole / 0.93), Math.floor(whole / 1.07)])
  })

  it('tells the times of speech after a long pause as they are', async () => {
    const { jfk, austen } = CLIPS
    const wav = await ffmpeg`-i ${jfk.file} -i ${austen.file} -filter_complex
      [0:a]apad=whole_len=496000[first];[first][1:a]concat=n=2:v=0:a=1
      -c:a pcm_s16le ${path.join(folder, 'pause.wav')}`
    const { segments } = await engine.transcribe(await request(wav))
    assert.equal(segments.length, 2)
    assert.ok(Math.abs((segments[1]?.start ?? 0) - 31.3) < 0.3)
    assert.equal(wordErrors(austen.text, segments[1]?.text ?? '').errors, 0)
  })

  it('cuts speech without a pause into pieces it can do, and loses none of it', async () => {
    // The clip five times over, its pauses taken out: more than one piece.
    const wav = path.join(folder, 'endless.wav')
    await ffmpeg`-stream_loop 4 -i ${CLIPS.austen.file} -af
      silenceremove=stop_periods=-1:stop_duration=0.05:stop_threshold=-35dB -c:a pcm_s16le ${wav}`
    const { segments } = await engine.transcribe(await request(wav))
    const { durationSeconds } = await readWavHeader(wav)
    for (const { start, end } of segments) assert.ok(end - start <= 24.4)
    assert.ok(durationSeconds - (segments.at(-1)?.end ?? 0) < 1)
    const heard = segments.map(({ text }) => text).join(' ')
    assert.ok(heard.split('prudently').length > 4)
  })

  it('takes English under its several names and refuses another language', async () => {
    for (const language of ['en', 'en-US', 'EN_gb', 'english', null]) {
      const clip = await short({ options: { ...options, language } })
      assert.equal((await engine.transcribe(clip)).segments.length, 1)
    }
    for (const language of ['de', 'entish', 'end']) {
      await assert.rejects(
        engine.transcribe(await short({ options: { ...options, language } })),
        code('unsupported_language'),
      )
    }
  })

  it('refuses what is not a WAV file, and goes on with the next', async () => {
    const text = path.join(folder, 'text.wav')
    await writeFile(text, 'this is no sound at all')
    await assert.rejects(
      engine.transcribe(await request(text, { speech: [{ start: 0, end: 1 }] })),
      code('invalid_media'),
    )
    assert.equal((await engine.transcribe(await short())).segments.length, 1)
  })

  it('stops with the reason of the signal, and goes on with the next', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const stopped = engine.transcribe(
      await request(path.join(folder, 'endless.wav'), {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      }),
    )
    await assert.rejects(stopped, (error) => error === reason)
    assert.equal((await engine.transcribe(await short())).segments.length, 1)
  })

  it('does several recordings at once', async () => {
    const both = [CLIPS.jfk, CLIPS.austen].map(
      async ({ file }, index) =>
        await engine.transcribe(await request(file, { slot: { index, gpu: null } })),
    )
    const [first, second] = await Promise.all(both)
    assert.match(first?.segments[0]?.text ?? '', /country/)
    assert.match(second?.segments[0]?.text ?? '', /Dashwood/)
  })

  it('is prepared without a recording, and may be used again after it was closed', async () => {
    const own = new SherpaEngine(MOONSHINE, { modelsDir: dir, threads: null })
    await own.prepare(slot, signal)
    await own.close()
    assert.equal((await own.transcribe(await short())).segments.length, 1)
    await own.close()
  })

  it('ends a recording as cancelled when it is closed', async () => {
    const own = new SherpaEngine(MOONSHINE, { modelsDir: dir, threads: null })
    const onProgress = (): void => void own.close()
    const endless = await request(path.join(folder, 'endless.wav'), { onProgress })
    await assert.rejects(own.transcribe(endless), code('cancelled'))
    await own.close()
  })

  it('fails the job when its model is damaged, and only the job', async () => {
    const damaged = path.join(folder, 'damaged.onnx')
    await cp(MODEL.files.encoder, damaged)
    await writeFile(damaged, Buffer.alloc(1000), { flag: 'r+' })
    const encoder = path.relative(model, damaged)
    const names: Record<string, string> = { ...MOONSHINE.files, encoder }
    const own = new SherpaEngine({ ...MOONSHINE, files: names }, { modelsDir: dir, threads: null })
    await assert.rejects(own.transcribe(await short()), code('engine_failed'))
    names['encoder'] = MOONSHINE.files['encoder']!
    assert.equal((await own.transcribe(await short())).segments.length, 1)
    await own.close()
  })

  it('fails when a file of its model is missing', async () => {
    const names = { ...MOONSHINE.files, tokens: 'nowhere.txt' }
    const own = new SherpaEngine({ ...MOONSHINE, files: names }, { modelsDir: dir, threads: null })
    await assert.rejects(own.prepare(slot, signal), code('model_missing'))
    await own.close()
  })
})

describe('the process of sherpa-onnx', () => {
  it('says that it crashed, and how', async () => {
    const recognizer = new SherpaProcess('moonshine')
    await recognizer.load(MODEL, signal)
    const endless = path.join(folder, 'endless.wav')
    const speech = await speechIn(endless)
    const onProgress = (): boolean => process.kill(recognizer.pid ?? 0, 'SIGSEGV')
    const crashed = recognizer.recognise({ wavPath: endless, speech, onProgress }, signal)
    await assert.rejects(crashed, (error: AppError) => {
      assert.equal(error.code, 'engine_failed')
      assert.match(error.message, /SIGSEGV/)
      return true
    })
    assert.ok(!recognizer.isAlive)
    await recognizer.ended
  })

  it('ends when its parent is killed', async () => {
    const module = moduleUrl(new URL('../../agent/engines/sherpa/process.ts', import.meta.url))
    const script = `
      import { SherpaProcess } from ${JSON.stringify(module)}
      const recognizer = new SherpaProcess('moonshine')
      await recognizer.load(${JSON.stringify(MODEL)}, new AbortController().signal)
      process.stdout.write(String(recognizer.pid), () => process.kill(process.pid, 'SIGKILL'))`
    const args = [...LOADER, '--input-type=module', '-e', script]
    const parent = await execa(process.execPath, args, { reject: false })
    assert.equal(parent.signal, 'SIGKILL')
    await gone(Number(parent.stdout))
  })
})
