import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import type { Outcome, PlanRequest } from '../../agent/engines/cli-program.ts'
import type { SpeechOptions } from '../../agent/engines/engine.ts'
import { whisperCli } from '../../agent/engines/whisper-cpp/cli-program.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { OPTIONS } from './engine-request.ts'

const recorded = async (name: string): Promise<string> =>
  await readFile(new URL(`recorded/whisper-cpp/${name}`, import.meta.url), 'utf8')
const code = (expected: ErrorCode) => (error: unknown) =>
  error instanceof AppError && error.code === expected

const cli = whisperCli('/bin/whisper-cli', 'base', (model) => `/models/ggml-${model}.bin`, 4)
const request = (
  options: Partial<SpeechOptions> = {},
  more: Partial<PlanRequest> = {},
): PlanRequest => ({
  wavPath: '/work/piece.wav',
  durationSeconds: 11,
  workDir: '/work/out',
  slot: { index: 0, gpu: null },
  options: { ...OPTIONS, ...options },
  compute: { batchSize: null, computeType: null, model: 'base', device: 'gpu' },
  again: false,
  ...more,
})
const ended = (stderr: string, more: Partial<Outcome> = {}): Outcome => ({
  exitCode: 0,
  signal: null,
  stdout: '',
  stderr,
  ...more,
})

describe('the arguments of whisper-cli', () => {
  it('is a language that Whisper knows', () => {
    assert.throws(() => cli.plan(request({ language: 'tlh' })), code('unsupported_language'))
  })
})

describe('what whisper-cli writes', () => {
  it('has the words of the whole text', async () => {
    const result = cli.parse(Buffer.from(await recorded('jfk.json')), ended(''), request())
    const [segment] = result.segments
    assert.equal(segment?.words?.map(({ text }) => text).join(' '), segment?.text)
  })

  it('is read although a letter is cut in two and a line is broken inside a text', () => {
    const bytes = Buffer.concat([
      Buffer.from(
        '{"result":{"language":"zh"},"transcription":[{"offsets":{"from":0,"to":30000},"text":" 你',
      ),
      Buffer.from([0xe5, 0xa5, 0x0a]),
      Buffer.from(' \\u0041","tokens":[{"text":" 你","p":0.5,"offsets":{"from":0,"to":10}}]}]}'),
    ])
    const { segments } = cli.parse(bytes, ended(''), request())
    assert.deepEqual(segments, [
      { start: 0, end: 11, text: '你\ufffd A', avgLogprob: Math.log(0.5) },
    ])
  })

  it('may be without speech', () => {
    const nothing = Buffer.from('{"result":{"language":"en"},"transcription":[]}')
    assert.deepEqual(cli.parse(nothing, ended(''), request()).segments, [])
  })
})

describe('how whisper-cli ends', () => {
  it('is a lack of memory whatever else it says then', () => {
    const memory =
      'ggml_backend_cuda_buffer_type_alloc_buffer: allocating 2951.01 MiB on device 0: cudaMalloc failed: out of memory\n' +
      'error: failed to initialize whisper context\n'
    assert.equal(cli.classify(ended(memory, { exitCode: 3 }))?.code, 'gpu_out_of_memory')
    const abort = ended('CUDA error: out of memory\n', { exitCode: null, signal: 'SIGABRT' })
    assert.equal(cli.classify(abort)?.code, 'gpu_out_of_memory')
  })

  it('is a crash when a signal ended it, and the memory of the machine when that was SIGKILL', () => {
    const crash = cli.classify(
      ended('GGML_ASSERT(x) failed', { exitCode: null, signal: 'SIGABRT' }),
    )
    assert.match(crash?.message ?? '', /crashed \(SIGABRT\): GGML_ASSERT/)
    const killed = cli.classify(ended('', { exitCode: null, signal: 'SIGKILL' }))
    assert.match(killed?.message ?? '', /memory of this machine/)
    assert.equal(cli.classify(ended('', { exitCode: 137 }))?.code, 'engine_failed')
  })
})
