import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import type { Outcome, PlanRequest } from '../../agent/engines/cli-program.ts'
import type { SpeechOptions } from '../../agent/engines/engine.ts'
import { whisperCli } from '../../agent/engines/whisper-cpp/cli-program.ts'
import { wordErrors } from '../../agent/wer.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { OPTIONS } from './engine-request.ts'
import { CLIPS } from './fixtures.ts'

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

describe('what whisper-cli is told', () => {
  it('is a beam search without the text before, in the language it finds', () => {
    assert.deepEqual(cli.plan(request()), {
      file: '/bin/whisper-cli',
      args: (
        '-m /models/ggml-base.bin -t 4 -f /work/piece.wav -l auto -bs 5 -bo 5 -tp 0 ' +
        '-nth 0.6 -et 2.4 -lpt -1 -mc 0 -sns -ojf -of /work/out/out -pp'
      ).split(' '),
      env: { OMP_WAIT_POLICY: 'PASSIVE' },
      output: '/work/out/out.json',
    })
  })

  it('names the language as Whisper does, the task, and the CPU', () => {
    const { args } = cli.plan(
      request(
        { language: 'German', task: 'translate' },
        { compute: { batchSize: null, computeType: null, model: 'base', device: 'cpu' } },
      ),
    )
    assert.equal(args[args.indexOf('-l') + 1], 'de')
    assert.ok(args.includes('-tr') && args.includes('-ng'))
    assert.throws(() => cli.plan(request({ language: 'tlh' })), code('unsupported_language'))
  })

  it('holds prompt and hotwords in every window, with room for hardly more', () => {
    const { args } = cli.plan(request({ prompt: '--help; $(id)', hotwords: 'Elinor' }))
    assert.equal(args[args.indexOf('--prompt') + 1], '--help; $(id) Elinor')
    assert.ok(args.includes('--carry-initial-prompt'))
    assert.equal(args[args.indexOf('-mc') + 1], '15')
  })

  it('begins a second try hotter, and without a prompt', () => {
    const { args } = cli.plan(request({ prompt: 'Austen' }, { again: true }))
    assert.equal(args[args.indexOf('-tp') + 1], '0.4')
    assert.ok(!args.includes('--prompt'))
    assert.equal(args[args.indexOf('-mc') + 1], '0')
  })
})

describe('what whisper-cli writes', () => {
  it('is read as segments, words and a language', async () => {
    const outcome = ended(await recorded('jfk.stderr.txt'))
    const heard = cli.parse(Buffer.from(await recorded('jfk.json')), outcome, request())
    assert.equal(heard.language, 'en')
    assert.equal(heard.languageProbability, 0.958404)
    const [segment, ...others] = heard.segments
    assert.deepEqual(others, [])
    assert.equal(wordErrors(CLIPS.jfk.text, segment?.text ?? '').errors, 0)
    assert.equal(segment?.end, 10.5)
    assert.equal(segment?.words?.map(({ text }) => text).join(' '), segment?.text)
    assert.deepEqual(segment?.words?.[0], { start: 0.32, end: 0.4, text: 'And' })
    assert.ok((segment?.avgLogprob ?? 0) < 0 && (segment?.avgLogprob ?? -9) > -1)
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

  it('may hold nobody speaking', () => {
    const nothing = Buffer.from('{"result":{"language":"en"},"transcription":[]}')
    assert.deepEqual(cli.parse(nothing, ended(''), request()).segments, [])
  })

  it('is refused when half of it is missing or it is something else', async () => {
    const half = (await recorded('jfk.json')).slice(0, 2000)
    for (const text of [half, '', '{}', '[]', '{"transcription":[{"text":1}]}', '<html>']) {
      assert.throws(
        () => cli.parse(Buffer.from(text), ended(''), request()),
        code('engine_failed'),
        text,
      )
    }
  })
})

describe('how whisper-cli ends', () => {
  const failures: [string, Partial<Outcome>, ErrorCode, RegExp][] = [
    ['bad-audio.stderr.txt', {}, 'engine_failed', /could not read the audio/],
    ['no-file.stderr.txt', { exitCode: 2 }, 'engine_failed', /could not read the audio/],
    ['unknown-language.stderr.txt', {}, 'unsupported_language', /'xx'/],
    ['unknown-flag.stderr.txt', {}, 'engine_failed', /too old/],
    ['unwritable.stderr.txt', {}, 'engine_failed', /could not write/],
    ['no-model.stderr.txt', { exitCode: 3 }, 'model_missing', /nothere\.bin/],
    ['cut-model.stderr.txt', { exitCode: 3 }, 'model_missing', /broken/],
    ['not-a-model.stderr.txt', { exitCode: 3 }, 'model_missing', /broken/],
  ]
  for (const [file, how, expected, message] of failures) {
    it(`is ${expected} after ${file}`, async () => {
      const failure = cli.classify(ended(await recorded(file), how))
      assert.equal(failure?.code, expected)
      assert.match(failure.message, message)
    })
  }

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

  it('is a success when nothing speaks against it, whatever was said in the recording', async () => {
    const good = ended(await recorded('jfk.stderr.txt'), { stdout: 'CUDA: out of memory' })
    assert.equal(cli.classify(good), null)
  })
})

describe('what whisper-cli prints meanwhile', () => {
  it('is its progress, never more than all', () => {
    const progress = (line: string, stream: 'stdout' | 'stderr' = 'stderr') =>
      cli.progress?.(line, stream, 11)
    assert.equal(progress('whisper_print_progress_callback: progress =  50%'), 5.5)
    assert.equal(progress('whisper_print_progress_callback: progress = 272%'), 11)
    assert.equal(progress('[00:00:00.000 --> 00:00:03.800]   And so', 'stdout'), 3.8)
    assert.equal(progress('[00:00:00.000 --> 01:00:03.800]   And so', 'stdout'), 11)
    assert.equal(progress('progress = 50%', 'stdout'), null)
  })

  it('is the language of each file', async () => {
    const outcome = ended(await recorded('detect.stderr.txt'))
    const { detection } = cli
    assert.deepEqual(
      detection?.parse(outcome, ['/work/austen.wav', '/work/no.wav', '/work/jfk.wav']),
      [{ language: 'en', probability: 0.99953 }, null, { language: 'en', probability: 0.958404 }],
    )
    assert.deepEqual(
      detection?.plan(request(), ['/work/a.wav', '/work/b.wav']).args,
      '-m /models/ggml-base.bin -t 4 -dl -f /work/a.wav -f /work/b.wav'.split(' '),
    )
  })
})
