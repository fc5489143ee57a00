import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { CliEngine } from '../../agent/engines/cli-engine.ts'
import type { CliProgram } from '../../agent/engines/cli-program.ts'
import type { TranscribeRequest } from '../../agent/engines/engine.ts'
import { fasterWhisperProgram } from '../../agent/engines/python/faster-whisper.ts'
import { AppError } from '../../shared/errors.ts'
import { engineSettings, OPTIONS as options } from './engine-request.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { replayProgram } from './replay/program.ts'

const dir = tempFolder()
let count = 0

const settings = engineSettings(dir, {
  batchSize: 4,
  device: { kind: 'cuda', name: 'a GPU that is not there' },
})

/** A job on an engine that plays a scenario back, in a folder of its own. */
async function jobOf(
  scenario: string,
  change: Partial<CliProgram> = {},
  limits: { idleMs?: number } = {},
) {
  const folder = path.join(dir, `job-${count++}`)
  const workDir = path.join(folder, 'work')
  await mkdir(workDir, { recursive: true })
  const wavPath = path.join(folder, 'piece.wav')
  await copyFile(CLIPS.jfk.file, wavPath)
  const program = fasterWhisperProgram({
    program: replayProgram(folder, 'whisper-ctranslate2', scenario),
    model: 'base',
    models: new Map([['base', dir]]),
    threads: null,
    gpu: true,
    env: {},
  })
  const info = { name: 'faster-whisper', model: 'base', device: 'replay', version: '0.5.8' }
  const engine = new CliEngine({ ...program, ...change }, settings, info, ['base'], limits)
  const progress: number[] = []
  const request: TranscribeRequest = {
    wavPath,
    durationSeconds: CLIPS.jfk.seconds,
    workDir,
    slot: { index: 0, gpu: 'GPU-1' },
    signal: new AbortController().signal,
    options,
    speech: [{ start: 0, end: CLIPS.jfk.seconds }],
    again: false,
    onProgress: (seconds) => progress.push(seconds),
  }
  return { engine, request, progress, folder, workDir }
}

/** The processes of every run so far: the program's and that of the child it left behind. */
function childrenIn(folder: string): number[] {
  const file = path.join(folder, 'children')
  return existsSync(file) ? readFileSync(file, 'utf8').trim().split(/\s/).map(Number) : []
}

async function nobodyLeft(folder: string, runs: number): Promise<void> {
  const children = childrenIn(folder)
  assert.equal(children.length, 2 * runs)
  await Promise.all(children.map(gone))
}

const textOf = ({ segments }: { segments: { text: string }[] }): string =>
  segments.map(({ text }) => text).join(' ')

describe('an engine of one process per piece', () => {
  it('recognises: text, words, progress, and no child is left', async () => {
    const { engine, request, progress, folder } = await jobOf('success')
    const result = await engine.transcribe(request)
    assert.equal(textOf(result), CLIPS.jfk.text)
    assert.equal(result.language, 'en')
    assert.deepEqual(result.warnings, [])
    assert.deepEqual(progress, [10.36])
    await nobodyLeft(folder, 1)
  })

  it('has no segments without speech', async () => {
    const { engine, request, folder } = await jobOf('silence-batched')
    const { segments, warnings } = await engine.transcribe(request)
    assert.deepEqual({ segments, warnings }, { segments: [], warnings: [] })
    await nobodyLeft(folder, 1)
  })

  const failures: [scenario: string, code: string, message: RegExp][] = [
    ['bad-audio', 'engine_failed', /InvalidDataError/],
    ['no-model', 'model_missing', /no model at/],
    ['no-model-old', 'model_missing', /no model at/],
    ['unknown-option', 'engine_failed', /--no_such_option/],
    ['crashed', 'engine_failed', /SIGSEGV/],
    ['killed', 'engine_failed', /main memory/],
    ['no-cudnn', 'engine_failed', /libcudnn/],
  ]
  for (const [scenario, code, message] of failures) {
    it(`says ${code} and leaves no child: ${scenario}`, async () => {
      const { engine, request, folder } = await jobOf(scenario)
      await assert.rejects(
        engine.transcribe(request),
        (error: AppError) => error.code === code && message.test(error.message),
      )
      await nobodyLeft(folder, 1)
    })
  }

  it('asks for less and less until the GPU has room, and says so', async () => {
    const { engine, request, folder } = await jobOf('small-gpu')
    const result = await engine.transcribe(request)
    assert.equal(textOf(result), CLIPS.jfk.text)
    assert.deepEqual(
      result.warnings.map(
        (warning) => /batches of 2|without batches|int8_float16/.exec(warning)?.[0],
      ),
      ['batches of 2', 'without batches', 'int8_float16'],
    )
    await nobodyLeft(folder, 4)
  })

  it('gives up when the GPU never has room', async () => {
    const { engine, request, folder } = await jobOf('out-of-memory')
    await assert.rejects(
      engine.transcribe(request),
      (error: AppError) => error.code === 'gpu_out_of_memory',
    )
    await nobodyLeft(folder, 4)
  })

  it('does not take the output of an earlier try for its own', async () => {
    const { engine, request, workDir } = await jobOf('tuple-index', { classify: () => null })
    await mkdir(path.join(workDir, 'out'))
    await writeFile(path.join(workDir, 'out', 'piece.json'), '{"segments": []}')
    await assert.rejects(
      engine.transcribe(request),
      (error: AppError) =>
        error.code === 'engine_failed' && error.message.includes('wrote no transcript'),
    )
  })

  it('ends a program that says nothing any more', async () => {
    const { engine, request, progress, folder } = await jobOf('hang', {}, { idleMs: 2_000 })
    await assert.rejects(
      engine.transcribe({ ...request, durationSeconds: 0.5 }),
      (error: AppError) => error.code === 'engine_failed' && error.message.includes('hangs'),
    )
    assert.deepEqual(progress, [0.5])
    await nobodyLeft(folder, 1)
  })

  it('is cancelled midway, with the reason of its signal', async () => {
    const { engine, request, folder } = await jobOf('hang')
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    await assert.rejects(
      engine.transcribe({
        ...request,
        signal: controller.signal,
        onProgress: () => controller.abort(reason),
      }),
      (error) => error === reason,
    )
    await nobodyLeft(folder, 1)
  })

  it('starts nothing when it is cancelled before', async () => {
    const { engine, request, folder } = await jobOf('success')
    const reason = new AppError('cancelled', 'before')
    await assert.rejects(
      engine.transcribe({ ...request, signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    )
    assert.deepEqual(childrenIn(folder), [])
  })

  it('ends what runs when it is closed, and works again after that', async () => {
    const { engine, request, folder } = await jobOf('hang')
    await assert.rejects(
      engine.transcribe({ ...request, onProgress: () => void engine.close() }),
      (error: AppError) => error.code === 'cancelled',
    )
    await nobodyLeft(folder, 1)
    const program = path.join(folder, 'whisper-ctranslate2')
    const script = readFileSync(program, 'utf8').replace("'hang'", "'success'")
    await writeFile(program, script)
    assert.equal(textOf(await engine.transcribe(request)), CLIPS.jfk.text)
    await nobodyLeft(folder, 2)
  })

  it('gives its program one GPU to see, and none of our secrets', async () => {
    const { engine, request, folder } = await jobOf('success', {
      plan: ({ workDir }) => ({
        file: process.execPath,
        args: [
          '-e',
          `require('node:fs').writeFileSync(process.argv[1], JSON.stringify({ segments: [{ start: 0, end: 1,
            text: [process.env.CUDA_VISIBLE_DEVICES, process.env.CUDA_DEVICE_ORDER, process.env.MORAG_API_KEY,
              process.env.OWN].join(' ') }] }))`,
          path.join(workDir, 'env.json'),
        ],
        env: { OWN: 'own' },
        output: path.join(workDir, 'env.json'),
      }),
    })
    process.env['MORAG_API_KEY'] = 'secret'
    try {
      assert.equal(textOf(await engine.transcribe(request)), 'GPU-1 PCI_BUS_ID own')
    } finally {
      delete process.env['MORAG_API_KEY']
    }
    assert.deepEqual(childrenIn(folder), [])
  })

  it('hears the languages of several pieces in one process', async () => {
    const { engine, request, folder } = await jobOf('detection')
    assert.deepEqual(await engine.detect?.([request, request, request]), [
      { language: 'en', probability: 0.929797 },
      { language: 'en', probability: 0.359082 },
      { language: 'en', probability: 0.997686 },
    ])
    await nobodyLeft(folder, 1)
  })

  it('hears languages with what fits into the memory, as it recognises', async () => {
    const { engine, request, folder } = await jobOf('small-gpu')
    await engine.transcribe(request)
    const before = childrenIn(folder).length
    await engine.detect?.([request])
    await nobodyLeft(folder, before / 2 + 1)
  })

  it('hears languages with the model of the job', async () => {
    const models: string[] = []
    const { engine, request } = await jobOf('detection', {
      detection: {
        plan: ({ compute }) => {
          models.push(compute.model)
          return { file: process.execPath, args: ['-e', ''], env: {}, output: null }
        },
        parse: () => [],
      },
    })
    await engine.detect?.([request])
    await engine.detect?.([request], 'large')
    assert.deepEqual(models, ['base', 'large'])
  })

  it('writes nothing outside the folder of the piece', async () => {
    const { engine, request, folder, workDir } = await jobOf('success')
    await engine.transcribe(request)
    assert.deepEqual((await readdir(folder)).toSorted(), [
      'children',
      'piece.wav',
      'whisper-ctranslate2',
      'work',
    ])
    assert.deepEqual(await readdir(workDir), ['out'])
  })
})
