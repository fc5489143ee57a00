import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { cp, mkdtemp, rm, truncate, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import type { EngineSettings } from '../../agent/engines/definition.ts'
import type { AudioPiece, Engine, Recognised, SpeechOptions } from '../../agent/engines/engine.ts'
import { transcribeCpp } from '../../agent/engines/transcribe-cpp/definition.ts'
import { findLibrary } from '../../agent/engines/transcribe-cpp/library.ts'
import { TranscribeCppProcess } from '../../agent/engines/transcribe-cpp/process.ts'
import type { Span } from '../../shared/span.ts'
import type { Slot } from '../../agent/gpu/slots.ts'
import { CLIPS } from '../../agent/selftest/clips.ts'
import { wordErrors } from '../../agent/wer.ts'
import { engineSettings, OPTIONS } from '../agent/engine-request.ts'
import { prepareEngines } from '../../scripts/engines/prepare.ts'
import { family } from '../../scripts/process-tree.ts'
import type { AppError } from '../../shared/errors.ts'
import { ffmpeg, gone as goneProcess, makeSilence } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { long } from './scenes.ts'
import { watchFamily } from './watch.ts'

const dir = tempFolder()
const signal = new AbortController().signal
const [jfk, austen] = CLIPS
const CPU: Slot = { index: 0, gpu: null }

const {
  transcribeCpp: folder,
  ggufModel,
  ggmlModel,
} = await prepareEngines(['weights', 'ggml', 'transcribe-cpp'])
const settings = engineSettings(dir, {
  model: ggufModel,
  program: folder,
  threads: 2,
  onOutOfMemory: { smallerModel: false, cpu: true },
})
const plain: SpeechOptions = { ...OPTIONS, words: false }

async function made(change: Partial<EngineSettings> = {}): Promise<Engine> {
  const changed = { ...settings, ...change }
  const probe = await transcribeCpp.probe(changed, signal)
  assert.ok(probe.usable, probe.why)
  return transcribeCpp.create(changed, probe)
}

async function pieceOf(wavPath: string, durationSeconds: number, slot = CPU): Promise<AudioPiece> {
  const workDir = await mkdtemp(path.join(dir, 'work-'))
  return { wavPath, durationSeconds, workDir, slot, signal }
}

interface Heard extends Recognised {
  text: string
  progress: number[]
}

async function heard(
  engine: Engine,
  wavPath: string,
  seconds: number,
  {
    again = false,
    slot = CPU,
    until = signal,
    onProgress = () => undefined,
    speech = [{ start: 0, end: seconds }],
    ...options
  }: Partial<SpeechOptions> & {
    again?: boolean
    slot?: Slot
    until?: AbortSignal
    onProgress?: () => void
    speech?: readonly Span[]
  } = {},
): Promise<Heard> {
  const progress: number[] = []
  const result = await engine.transcribe({
    ...(await pieceOf(wavPath, seconds, slot)),
    signal: until,
    options: { ...plain, ...options },
    speech,
    again,
    onProgress(done) {
      progress.push(done)
      onProgress()
    },
  })
  return { ...result, text: result.segments.map(({ text }) => text).join(' '), progress }
}

/** Our children with the library. */
function children(): number[] {
  return family(process.pid).filter((pid) => {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('/transcribe-cpp/child.')
    } catch {
      return false
    }
  })
}

function killChildren(): void {
  for (const pid of children()) process.kill(pid, 'SIGKILL')
}

/** Resident memory in bytes. */
function memoryOf(pid: number): number {
  return Number(readFileSync(`/proc/${pid}/statm`, 'utf8').split(' ')[1]) * 4096
}

describe('real transcribe-cpp with Whisper base on the CPU', () => {
  let engine: Engine
  before(async () => {
    engine = await made()
  })
  after(async () => await engine.close())

  it('understands both clips, with their language and the time of each sentence', async () => {
    for (const [clip, seconds] of [
      [jfk, 11],
      [austen, 7.1],
    ] as const) {
      const { text, language, segments, progress, warnings } = await heard(
        engine,
        clip.file,
        seconds,
      )
      assert.ok(wordErrors(clip.text, text).errors <= clip.allowed, text)
      assert.equal(language, 'en')
      const times = segments.flatMap(({ start, end }) => [start, end])
      assert.deepEqual(
        times,
        times.toSorted((a, b) => a - b),
      )
      assert.ok(times.every((time) => time >= 0 && time <= seconds))
      assert.deepEqual(progress, [seconds])
      assert.deepEqual(warnings, [])
    }
  })

  it('reads a model of whisper.cpp too', async () => {
    const other = await made({ model: ggmlModel })
    const { text } = await heard(other, jfk.file, 11, { language: 'en' })
    assert.ok(wordErrors(jfk.text, text).errors <= 1, text)
    await other.close()
  })

  it('takes a prompt and hotwords, says that it has no word times, and tries again', async () => {
    const options = { language: 'en', prompt: '- Mrs. Dashwood', hotwords: 'Dashwood', words: true }
    const first = await heard(engine, austen.file, 7.1, options)
    assert.ok(wordErrors(austen.text, first.text).errors <= 1, first.text)
    assert.equal(first.segments[0]?.words, undefined)
    assert.deepEqual(first.warnings, ['The model gives no word timestamps.'])
    const again = await heard(engine, jfk.file, 11, { language: 'en', again: true })
    assert.ok(wordErrors(jfk.text, again.text).errors <= 4, again.text)
  })

  it('detects the language of several pieces', async () => {
    const pieces = [await pieceOf(jfk.file, 11), await pieceOf(austen.file, 7.1)]
    const found = await engine.detect?.(pieces)
    assert.deepEqual(
      found?.map((one) => one?.language),
      ['en', 'en'],
    )
  })

  it('stays within a piece without speech', async () => {
    const noise =
      await ffmpeg`-f lavfi -i anoisesrc=a=0.01:r=16000:d=6 -ac 1 ${path.join(dir, 'noise.wav')}`
    for (const file of [await makeSilence(dir, 6), noise]) {
      const { segments } = await heard(engine, file, 6, { language: 'en' })
      for (const { start, end } of segments) assert.ok(start >= 0 && end <= 6)
    }
  })

  it('recognises a piece of a twentieth of a second', async () => {
    const file =
      await ffmpeg`-f lavfi -i anullsrc=r=16000:cl=mono -t 0.05 ${path.join(dir, 'short.wav')}`
    const { segments } = await heard(engine, file, 0.05, { language: 'en' })
    for (const { end } of segments) assert.ok(end <= 0.05)
  })

  it('refuses a language that it does not know, and a file that is not there', async () => {
    await assert.rejects(
      heard(engine, jfk.file, 11, { language: 'xx' }),
      (error: AppError) => error.code === 'unsupported_language' && error.message.includes("'xx'"),
    )
    await assert.rejects(heard(engine, path.join(dir, 'gone.wav'), 1), { code: 'engine_failed' })
  })

  it('loses no word of a long recording, in windows and in batches of them', async () => {
    const { file, said } = await long(dir, 5)
    const seconds = 5 * 18.1
    const whole = said.map((one) => one.text).join(' ')
    const batches = await made({ batchSize: 2 })
    for (const by of [engine, batches]) {
      const { text, segments, progress } = await heard(by, file, seconds, {
        language: 'en',
        speech: said,
      })
      const { errors, words } = wordErrors(whole, text)
      assert.ok(errors <= words * 0.05, `${errors} of ${words}: ${text}`)
      assert.ok((segments.at(-1)?.end ?? 0) > seconds - 3)
      assert.ok(progress.length > 1, String(progress))
    }
    await batches.close()
  })

  it('is one process for prepare, detect and transcribe, and gone after close', async () => {
    const one = await made()
    const processes = watchFamily(process.pid)
    const before = new Set(children())
    await one.prepare(CPU, signal)
    await one.detect?.([await pieceOf(jfk.file, 11)])
    await heard(one, austen.file, 7.1)
    assert.equal(children().filter((pid) => !before.has(pid)).length, 1)
    await one.close()
    await processes.gone()
  })
})

describe('real transcribe-cpp, when something goes wrong', () => {
  let engine: Engine
  before(async () => {
    engine = await made()
  })
  after(async () => {
    await engine.close()
    assert.deepEqual(children(), [])
  })

  it('is cancelled in the middle', async () => {
    const { file } = await long(dir, 5)
    const controller = new AbortController()
    const reason = new Error('enough')
    const running = heard(engine, file, 5 * 18.1, {
      until: controller.signal,
      onProgress: () => controller.abort(reason),
    })
    await assert.rejects(running, (error) => error === reason)
    assert.deepEqual(children(), [])
  })

  it('that is killed in the middle does the part again, and says so', async () => {
    const { file, said } = await long(dir, 3)
    let kills = 0
    const { text, warnings } = await heard(engine, file, 3 * 18.1, {
      language: 'en',
      speech: said,
      onProgress: () => void (kills++ === 0 && killChildren()),
    })
    const { errors, words } = wordErrors(said.map((one) => one.text).join(' '), text)
    assert.ok(errors <= words * 0.05, text)
    assert.deepEqual(warnings, [
      'The process of the engine transcribe-cpp ended (SIGKILL). It was started again for this part.',
    ])
  })

  it('that is killed twice costs that part alone', async () => {
    const { file } = await long(dir, 3)
    await assert.rejects(heard(engine, file, 3 * 18.1, { onProgress: killChildren }), {
      code: 'engine_failed',
    })
    const { text } = await heard(engine, austen.file, 7.1)
    assert.ok(wordErrors(austen.text, text).errors <= 1, text)
  })

  it('that gets too little memory fails with the reason, and leaves no process', async () => {
    const child = new TranscribeCppProcess({})
    const { url } = findLibrary(folder)!
    await child.devices(url, { signal, idleMs: 60_000 })
    const used = Number(readFileSync(`/proc/${child.pid}/statm`, 'utf8').split(' ')[0]) * 4096
    const limit = `--as=${used + 100 * 1024 * 1024}`
    await promisify(execFile)('prlimit', ['--pid', String(child.pid), limit])
    const load = { library: url, file: ggufModel, device: { kind: 'cpu' as const }, threads: 2 }
    await assert.rejects(child.load(load, { signal, idleMs: 60_000 }), (error: AppError) => {
      assert.equal(error.code, 'engine_failed', error.message)
      assert.match(error.message, /the memory of this machine is too small/)
      return true
    })
    assert.equal(child.isAlive, false)
  })

  it('without its model, or with half of it, says so', async () => {
    const file = path.join(dir, 'half.gguf')
    await cp(ggufModel, file)
    const other = await made({ model: file })
    await truncate(file, 50_000_000)
    await assert.rejects(heard(other, jfk.file, 11), (error: AppError) => {
      assert.equal(error.code, 'model_missing', error.message)
      return true
    })
    await rm(file)
    await assert.rejects(heard(other, jfk.file, 11), { code: 'model_missing' })
    await other.close()
  })

  it('ends with an agent that is killed', async () => {
    const script = path.join(dir, 'agent.mts')
    const module = new URL('../../agent/engines/transcribe-cpp/process.ts', import.meta.url)
    const load = {
      library: findLibrary(folder)!.url,
      file: ggufModel,
      device: { kind: 'cpu' },
      threads: 1,
    }
    await writeFile(
      script,
      `import { TranscribeCppProcess } from ${JSON.stringify(module.href)}
       const child = new TranscribeCppProcess({})
       const wait = { signal: new AbortController().signal, idleMs: 60_000 }
       await child.load(${JSON.stringify(load)}, wait)
       console.log(child.pid)`,
    )
    const agent = execFile(process.execPath, ['--import', 'tsx', script])
    const [line] = (await once(agent.stdout!, 'data')) as [string]
    agent.kill('SIGKILL')
    await goneProcess(Number(line))
  })

  it('holds after a hundred recordings at most a fifth more memory than after ten', async () => {
    const bytes: number[] = []
    for (let n = 1; n <= 100; n++) {
      await heard(engine, austen.file, 7.1, { language: 'en' })
      if (n === 10 || n === 100) bytes.push(memoryOf(children()[0]!))
    }
    assert.ok(bytes[1]! <= bytes[0]! * 1.2, `${bytes[0]} to ${bytes[1]} bytes`)
  })
})

/** Mesa's software Vulkan stands for a GPU. It is too slow to recognise anything. */
describe('real transcribe-cpp by Vulkan', () => {
  it('loads its model on the GPU', async (t) => {
    const { url } = findLibrary(folder)!
    const wait = { signal, idleMs: 60_000 }
    const child = new TranscribeCppProcess({ GGML_VK_VISIBLE_DEVICES: '0' })
    try {
      const devices = await child.devices(url, wait)
      if (!devices.some(({ kind }) => kind === 'vulkan')) {
        return t.skip('there is no Vulkan here (libvulkan1, mesa-vulkan-drivers)')
      }
      const device = { kind: 'gpu' as const, pci: null, nth: 0 }
      const { kind } = await child.load({ library: url, file: ggufModel, device, threads: 1 }, wait)
      assert.equal(kind, 'vulkan')
    } finally {
      await child.kill()
    }
  })
})
