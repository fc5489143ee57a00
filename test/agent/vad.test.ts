import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { ensureModel } from '../../agent/models/models.ts'
import { modelsDir } from '../../agent/paths.ts'
import { joinWavs } from '../../agent/audio/wav-write.ts'
import { covered, overlap, totalLength, type Span } from '../../shared/span.ts'
import { findSpeech } from '../../agent/audio/vad.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { CLIPS, ffmpeg, makeSilence } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { sherpaChildren } from './sherpa-children.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected
const modelFile = path.join(
  await ensureModel('silero-vad', { dir: modelsDir(), signal }),
  'silero_vad_v6.onnx',
)
const find = (wav: string): Promise<Span[]> => findSpeech(wav, { modelFile, signal })

/** The clip with this in front of it and after it, as ffmpeg makes sound. */
function within(name: string, sound: string, seconds: number): Promise<string> {
  const around = `-f lavfi -t ${seconds} -i ${sound}`.split(' ')
  return ffmpeg`${around} -i ${CLIPS.austen.file} ${around} -filter_complex
    [0:a][1:a][2:a]concat=n=3:v=0:a=1 -ar 16000 -ac 1 -c:a pcm_s16le ${path.join(folder, `${name}.wav`)}`
}

/** A minute and more of speech, its pauses taken out. */
const endless = await ffmpeg`-stream_loop 11 -i ${CLIPS.austen.file} -af
  silenceremove=stop_periods=-1:stop_duration=0.05:stop_threshold=-35dB -c:a pcm_s16le
  ${path.join(folder, 'endless.wav')}`

function checkOrder(spans: readonly Span[], seconds: number): void {
  let at = 0
  for (const { start, end } of spans) {
    assert.ok(start >= at && end > start && end <= seconds)
    at = end
  }
}

describe('findSpeech', () => {
  for (const { file, seconds } of Object.values(CLIPS)) {
    it(`finds the speech in ${path.basename(file)}, in order and inside the recording`, async () => {
      const seen: number[] = []
      const onProgress = (at: number): void => void seen.push(at)
      const spans = await findSpeech(file, { modelFile, signal, onProgress })
      checkOrder(spans, seconds)
      assert.ok(totalLength(spans) > seconds * 0.6)
      assert.equal(seen.at(-1), seconds)
      assert.deepEqual(sherpaChildren(), [])
    })
  }

  for (const [name, sound] of Object.entries({
    silence: 'anullsrc=r=16000:cl=mono',
    tone: 'sine=f=440:r=16000',
    noise: 'anoisesrc=a=0.05:r=16000:seed=1',
  })) {
    it(`finds speech between ${name}, and nothing in the ${name}`, async () => {
      const spans = await find(await within(name, sound, 4))
      assert.ok(Math.abs((spans[0]?.start ?? 0) - 4.3) < 0.4)
      assert.ok(Math.abs((spans.at(-1)?.end ?? 0) - 10.9) < 0.4)
      assert.ok(totalLength(spans) > 5)
    })
  }

  it('finds nothing in silence and in a file shorter than a step of the detector', async () => {
    for (const seconds of [5, 0.02, 0.0001]) {
      assert.deepEqual(await find(await makeSilence(folder, seconds)), [])
    }
  })

  it('finds speech that is much quieter than the rest where it is asked to, and by how much', async () => {
    const { jfk, austen } = CLIPS
    const wav = await ffmpeg`-i ${austen.file} -i ${jfk.file} -i ${austen.file} -filter_complex
      [1:a]volume=-35dB[q];[0:a][q][2:a]concat=n=3:v=0:a=1 -c:a pcm_s16le ${path.join(folder, 'quiet.wav')}`
    const between = { start: austen.seconds, end: austen.seconds + jfk.seconds }
    const reports: number[] = []
    const onProgress = (seconds: number): number => reports.push(seconds)
    const [loud, all] = [
      await find(wav),
      await findSpeech(wav, { modelFile, signal, quiet: true, onProgress }),
    ]
    assert.ok(reports.at(-1) === reports.at(-2), 'the second look reports, too')
    assert.ok(covered(between, loud) < 2)
    assert.ok(covered(between, all) > 7)
    checkOrder(all, austen.seconds * 2 + jfk.seconds)
    for (const span of all) {
      const isQuiet = overlap(span, between) > 0.1
      assert.equal('gain' in span, isQuiet)
      if ('gain' in span) assert.ok(span.gain > 18 && span.gain < 35, String(span.gain))
    }
  })

  it('takes no quiet noise between speech for speech, though it rises and falls', async () => {
    const sound = 'anoisesrc=c=pink:a=0.5:r=16000:seed=4,tremolo=f=4:d=0.9,volume=-34dB'
    const joined = path.join(folder, 'between.wav')
    await joinWavs([CLIPS.austen.file, await within('rhythm', sound, 6)], joined, signal)
    const spans = await findSpeech(joined, { modelFile, signal, quiet: true })
    assert.equal(spans.length, 2)
    assert.ok(spans.every((span) => !('gain' in span)))
  })

  it('gives speech without a pause as spans that touch', async () => {
    const spans = await find(endless)
    assert.ok(spans.length >= 3)
    for (const [i, { start }] of spans.slice(1).entries()) assert.equal(start, spans[i]?.end)
  })

  it('hears the last word when the recording ends with it', async () => {
    const cut = path.join(folder, 'cut.wav')
    await ffmpeg`-i ${CLIPS.austen.file} -t 3 -c:a pcm_s16le ${cut}`
    assert.equal((await find(cut)).at(-1)?.end, 3)
  })

  it('says which model is missing, or is no file', async () => {
    for (const nowhere of [path.join(folder, 'nowhere.onnx'), folder]) {
      const failed = findSpeech(CLIPS.jfk.file, { modelFile: nowhere, signal })
      await assert.rejects(failed, (error: AppError) => {
        assert.equal(error.code, 'model_missing')
        assert.ok(error.message.includes(nowhere))
        return true
      })
    }
  })

  it('fails with a damaged model, and goes on with a whole one', async () => {
    for (const content of ['', 'this is no model', readFileSync(modelFile).subarray(0, 100_000)]) {
      const damaged = path.join(folder, 'damaged.onnx')
      await writeFile(damaged, content)
      const failed = findSpeech(CLIPS.jfk.file, { modelFile: damaged, signal })
      await assert.rejects(failed, code('engine_failed'))
    }
    assert.ok((await find(CLIPS.jfk.file)).length > 0)
  })

  it('refuses what is not a WAV file', async () => {
    const text = path.join(folder, 'text.wav')
    await writeFile(text, 'this is no sound at all')
    await assert.rejects(find(text), code('invalid_media'))
  })

  it('says that its process crashed, and how', async () => {
    const crashed = findSpeech(endless, {
      modelFile,
      signal,
      onProgress: () => sherpaChildren().forEach((pid) => process.kill(pid, 'SIGSEGV')),
    })
    await assert.rejects(crashed, (error: AppError) => {
      assert.equal(error.code, 'engine_failed')
      assert.match(error.message, /VAD .*SIGSEGV/)
      return true
    })
  })

  it('stops with the reason of the signal, and leaves no process', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const options = { modelFile, signal: controller.signal }
    const onProgress = (): void => controller.abort(reason)
    const stopped = findSpeech(endless, { ...options, onProgress })
    await assert.rejects(stopped, (error) => error === reason)
    await assert.rejects(findSpeech(endless, options), (error) => error === reason)
    assert.deepEqual(sherpaChildren(), [])
  })

  it('throws what the listener to its progress throws', async () => {
    const reason = new Error('no more')
    const onProgress = (): never => {
      throw reason
    }
    const failed = findSpeech(endless, { modelFile, signal, onProgress })
    await assert.rejects(failed, (error) => error === reason)
    assert.deepEqual(sherpaChildren(), [])
  })
})
