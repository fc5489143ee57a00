import assert from 'node:assert/strict'
import { cp, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, describe, it } from 'node:test'
import { execa } from 'execa'
import type { TranscribeRequest } from '../../agent/engines/engine.ts'
import { createMoonshine } from '../../agent/engines/moonshine.ts'
import { MoonshineProcess } from '../../agent/engines/moonshine-process.ts'
import { createEngine, ENGINE_NAMES } from '../../agent/engines/registry.ts'
import { ensureModel } from '../../agent/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, gone, makeSilence, tempFolder } from './fixtures.ts'

const folder = tempFolder()
const dir = modelsDir()
const signal = new AbortController().signal
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

const engine = await createEngine('auto', { modelsDir: dir })
after(() => engine.close())

const request = (wavPath: string, more: Partial<TranscribeRequest> = {}): TranscribeRequest => ({
  wavPath,
  durationSeconds: 11,
  language: null,
  workDir: folder,
  signal,
  onProgress: () => undefined,
  ...more,
})

const model = await ensureModel('moonshine-tiny', { dir, signal })
const files = {
  encoder: path.join(model, 'encoder_model.onnx'),
  decoder: path.join(model, 'decoder_model_merged.onnx'),
  tokens: path.join(model, 'tokens.txt'),
  vad: path.join(await ensureModel('silero-vad', { dir, signal }), 'silero_vad_v6.onnx'),
}

describe('moonshine', () => {
  for (const [name, { file, text, seconds }] of Object.entries(CLIPS)) {
    it(`hears every word of ${name}, with times inside the recording`, async () => {
      const seen: number[] = []
      const onProgress = (at: number): void => void seen.push(at)
      const transcript = await engine.transcribe(request(file, { onProgress }))
      const heard = transcript.segments.map((segment) => segment.text).join(' ')
      assert.equal(wordErrors(text, heard).errors, 0)
      assert.equal(transcript.language, 'en')
      assert.equal(transcript.durationSeconds, seconds)
      assert.ok((transcript.segments[0]?.start ?? -1) >= 0)
      assert.ok((transcript.segments.at(-1)?.end ?? 99) <= seconds)
      assert.equal(seen.at(-1), seconds)
      assert.deepEqual(
        seen.toSorted((a, b) => a - b),
        seen,
      )
    })
  }

  it('hears nothing in silence and in a file shorter than a step of the detector', async () => {
    for (const seconds of [5, 0.02, 0.0001]) {
      const { segments } = await engine.transcribe(request(await makeSilence(folder, seconds)))
      assert.deepEqual(segments, [])
    }
  })

  it('tells the times of speech after a long pause as they are', async () => {
    const { jfk, austen } = CLIPS
    const wav = await ffmpeg`-i ${jfk.file} -i ${austen.file} -filter_complex
      [0:a]apad=whole_len=496000[first];[first][1:a]concat=n=2:v=0:a=1
      -c:a pcm_s16le ${path.join(folder, 'pause.wav')}`
    const { segments } = await engine.transcribe(request(wav))
    assert.equal(segments.length, 2)
    assert.ok(Math.abs((segments[1]?.start ?? 0) - 31.3) < 0.3)
    assert.equal(wordErrors(austen.text, segments[1]?.text ?? '').errors, 0)
  })

  it('cuts speech without a pause into pieces it can do, and loses none of it', async () => {
    // The clip twelve times over, its pauses taken out: a minute and more.
    const wav = path.join(folder, 'endless.wav')
    await ffmpeg`-stream_loop 11 -i ${CLIPS.austen.file} -af
      silenceremove=stop_periods=-1:stop_duration=0.05:stop_threshold=-35dB -c:a pcm_s16le ${wav}`
    const { segments, durationSeconds } = await engine.transcribe(request(wav))
    for (const { start, end } of segments) assert.ok(end - start <= 24.4)
    assert.ok(durationSeconds - (segments.at(-1)?.end ?? 0) < 1)
    const heard = segments.map(({ text }) => text).join(' ')
    assert.ok(heard.split('prudently').length > 10)
  })

  it('takes English under its several names and refuses another language', async () => {
    for (const language of ['en', 'en-US', 'EN_gb', 'english', 'auto']) {
      const silence = request(path.join(folder, 'silence.wav'), { language })
      assert.deepEqual((await engine.transcribe(silence)).segments, [])
    }
    for (const language of ['de', 'entish', 'end']) {
      await assert.rejects(
        engine.transcribe(request(CLIPS.jfk.file, { language })),
        code('unsupported_language'),
      )
    }
  })

  it('refuses what is not a WAV file, and goes on with the next', async () => {
    const text = path.join(folder, 'text.wav')
    await writeFile(text, 'this is no sound at all')
    await assert.rejects(engine.transcribe(request(text)), code('invalid_media'))
    assert.equal((await engine.transcribe(request(CLIPS.jfk.file))).segments.length, 1)
  })

  it('stops with the reason of the signal, and goes on with the next', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const stopped = engine.transcribe(
      request(path.join(folder, 'endless.wav'), {
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      }),
    )
    await assert.rejects(stopped, (error) => error === reason)
    assert.equal((await engine.transcribe(request(CLIPS.jfk.file))).segments.length, 1)
  })

  it('does several recordings at once', async () => {
    const both = [CLIPS.jfk, CLIPS.austen].map(({ file }) => engine.transcribe(request(file)))
    const [first, second] = await Promise.all(both)
    assert.match(first?.segments[0]?.text ?? '', /country/)
    assert.match(second?.segments[0]?.text ?? '', /Dashwood/)
  })

  it('is prepared without a recording, and may be used again after it was closed', async () => {
    const own = createMoonshine({ modelsDir: dir })
    await own.prepare(signal)
    await own.close()
    assert.equal((await own.transcribe(request(CLIPS.jfk.file))).segments.length, 1)
    await own.close()
  })

  it('fails the job when its model is damaged, and only the job', async () => {
    const damaged = path.join(folder, 'damaged.onnx')
    await cp(files.encoder, damaged)
    await writeFile(damaged, Buffer.alloc(1000), { flag: 'r+' })
    let encoder = damaged
    const own = createMoonshine({
      modelsDir: dir,
      locate: () => Promise.resolve({ ...files, encoder }),
    })
    await assert.rejects(own.transcribe(request(CLIPS.jfk.file)), code('engine_failed'))
    encoder = files.encoder
    assert.equal((await own.transcribe(request(CLIPS.jfk.file))).segments.length, 1)
    await own.close()
  })

  it('fails when a file of its model is missing', async () => {
    const own = createMoonshine({
      modelsDir: dir,
      locate: () => Promise.resolve({ ...files, vad: path.join(folder, 'nowhere.onnx') }),
    })
    await assert.rejects(own.prepare(signal), code('model_missing'))
    await own.close()
  })
})

describe('MoonshineProcess', () => {
  it('says that it crashed, and how', async () => {
    const recognizer = new MoonshineProcess()
    await recognizer.load(files, signal)
    const endless = path.join(folder, 'endless.wav')
    const crashed = recognizer.transcribe(endless, signal, () => {
      process.kill(recognizer.pid ?? 0, 'SIGSEGV')
    })
    await assert.rejects(crashed, (error: AppError) => {
      assert.equal(error.code, 'engine_failed')
      assert.match(error.message, /SIGSEGV/)
      return true
    })
    assert.ok(!recognizer.isAlive)
    await recognizer.ended
  })

  it('ends when its parent is killed', async () => {
    const module = new URL('../../agent/engines/moonshine-process.ts', import.meta.url).href
    const script = `
      import { MoonshineProcess } from ${JSON.stringify(module)}
      const recognizer = new MoonshineProcess()
      await recognizer.load(${JSON.stringify(files)}, new AbortController().signal)
      process.stdout.write(String(recognizer.pid), () => process.kill(process.pid, 'SIGKILL'))`
    const tsx = import.meta.resolve('tsx')
    const args = ['--import', tsx, '--input-type=module', '-e', script]
    const parent = await execa(process.execPath, args, { reject: false })
    assert.equal(parent.signal, 'SIGKILL')
    await gone(Number(parent.stdout))
  })
})

describe('createEngine', () => {
  it('refuses a name that is none, and lists those that are', async () => {
    await assert.rejects(createEngine('siri', { modelsDir: dir }), (error: AppError) => {
      assert.equal(error.code, 'usage')
      for (const name of ENGINE_NAMES) assert.ok(error.message.includes(name))
      return true
    })
  })
})
