import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { copyFile, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { CliEngine } from '../../agent/engines/cli-engine.ts'
import type { CliProgram, Outcome, PlanRequest } from '../../agent/engines/cli-program.ts'
import type { EngineDefinition } from '../../agent/engines/definition.ts'
import type { SpeechOptions } from '../../agent/engines/engine.ts'
import type { ComputeConfig } from '../../agent/engines/out-of-memory.ts'
import { fasterWhisper, fasterWhisperProgram } from '../../agent/engines/python/faster-whisper.ts'
import { openaiWhisper, openaiWhisperProgram } from '../../agent/engines/python/openai-whisper.ts'
import type { PythonSetup } from '../../agent/engines/python/plan.ts'
import { whisperx } from '../../agent/engines/python/whisperx.ts'
import { whisperxProgram } from '../../agent/engines/python/whisperx-program.ts'
import { whisperCli } from '../../agent/engines/whisper-cpp/cli-program.ts'
import { whisperCpp } from '../../agent/engines/whisper-cpp/definition.ts'
import type { AppError, ErrorCode } from '../../shared/errors.ts'
import { engineSettings, OPTIONS, requestFor } from './engine-request.ts'
import { CLIPS, gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { installReplay } from './replay/install.ts'
import { replayProgram } from './replay/program.ts'

/** What differs from the usual request. */
type Change = Omit<Partial<PlanRequest>, 'options' | 'compute'> & {
  options?: Partial<SpeechOptions>
  compute?: Partial<ComputeConfig>
}

/** One engine of the contract: its program, and what was recorded of it. */
interface Row {
  definition: EngineDefinition
  program: CliProgram
  model: string
  /** How a recorded run ended. */
  ended: (run: string) => Outcome
  /** What a recorded run wrote. */
  wrote: (run: string) => Buffer
  /** The whole command for a German recording with words on a GPU, and the environment. */
  command: string
  env: Record<string, string>
  /** Arguments that a change brings, and with `!` those that it removes. */
  plans: Record<string, [change: Change, ...args: string[]]>
  /** The jfk clip: run, language, probability, segments, and one word of the first. */
  jfk: [
    run: string,
    language: string | null,
    probability: number | undefined,
    segments: [number, number, string][],
    word: [index: number, start: number, end: number, text: string] | null,
  ]
  silence: string | null
  /** Seconds of 11 that are done by a line. */
  progress: [line: string, stream: 'stdout' | 'stderr', seconds: number | null][]
  /** The run of a detection over some files, the languages found, and some arguments of it. */
  detection:
    | [
        run: string,
        files: string[],
        found: ([language: string, probability: number] | null)[],
        args: string,
      ]
    | null
  /** Failed runs. */
  failures: Record<string, [code: ErrorCode, message: RegExp]>
  /** Runs that are a success, whatever the recording says. */
  successes: string[]
  /** A program that replays scenarios, and what comes of each: a text, or the code of an error. */
  replay: (folder: string, scenario: string) => Promise<CliProgram>
  scenarios: Record<string, ErrorCode | 'text'>
  /** Whether its probe tells it from another program of the same name. */
  identifies: boolean
}

const recordedIn = (engine: string): string => path.join(import.meta.dirname, 'recorded', engine)

/** What the outcomes.json of an engine holds, and the files beside it. */
function recorded(engine: string): Pick<Row, 'ended' | 'wrote'> {
  const folder = recordedIn(engine)
  const outcomes = JSON.parse(readFileSync(path.join(folder, 'outcomes.json'), 'utf8')) as Record<
    string,
    Outcome
  >
  return {
    ended(run) {
      const found = outcomes[run]
      assert.ok(found, run)
      return found
    },
    wrote: (run) => readFileSync(path.join(folder, `${run}.json`)),
  }
}

const setupOf = (program: string, more: Partial<PythonSetup> = {}): PythonSetup => ({
  program,
  model: 'base',
  models: new Map([
    ['base', '/models/base'],
    ['small', null],
    ['base.en', '/models/base.en'],
  ]),
  threads: 2,
  gpu: true,
  env: { PYTHONUNBUFFERED: '1' },
  ...more,
})
const onCpu: Change = { compute: { device: 'cpu' } }
const secondTry: Change = { again: true, options: { prompt: 'Ada', hotwords: 'Ada' } }
const shared: Row['plans'] = {
  'for a model to be fetched, by its name': [
    { compute: { model: 'small' } },
    '--model small',
    '!--model_directory',
  ],
  'for an English-only model in English': [
    { compute: { model: 'base.en' }, options: { language: null } },
    '--language en',
  ],
  'for a translation': [{ options: { task: 'translate' } }, '--task translate'],
  'with a prompt that begins with a dash': [
    { options: { prompt: '--model tiny' } },
    '--initial_prompt=--model tiny',
  ],
}
const whisperxSetup = {
  offline: false,
  speakers: true,
  aligned: new Set(['de', 'en']),
  token: null,
}
const PYTHON_PROGRESS: Row['progress'] = [
  ['[00:00.000 --> 00:04.320]  Guten Tag.', 'stdout', 4.32],
  ['[01:00:00.000 --> 01:00:04.320]  Guten Tag.', 'stdout', 3604.32],
  ['Something else', 'stdout', null],
  ['[00:00.000 --> 00:04.320]', 'stderr', null],
]

const ROWS: Row[] = [
  {
    definition: fasterWhisper,
    program: fasterWhisperProgram(setupOf('/opt/bin/whisper-ctranslate2')),
    model: 'base',
    ...recorded('faster-whisper'),
    command:
      '/opt/bin/whisper-ctranslate2 /job/piece.wav --output_dir /job/out --output_format json --task transcribe ' +
      '--language de --model_directory /models/base --verbose True --device cuda --device_index 0 ' +
      '--compute_type default --threads 2 --condition_on_previous_text False --vad_filter False ' +
      '--word_timestamps True --hallucination_silence_threshold 2',
    env: { PYTHONUNBUFFERED: '1', HF_HUB_OFFLINE: '1' },
    plans: {
      ...shared,
      'on the CPU with int8': [onCpu, '--device cpu --device_index 0 --compute_type int8'],
      'in batches, which cannot skip silence': [
        { compute: { batchSize: 16 }, options: { prompt: 'Names: Ada', hotwords: 'Ada' } },
        '--batched True --batch_size 16',
        '--initial_prompt=Names: Ada',
        '--hotwords=Ada',
        '!--hallucination_silence_threshold',
      ],
      'without batches of one': [{ compute: { batchSize: 1 } }, '!--batched'],
      'for a second try without batches, prompt and hotwords': [
        { ...secondTry, compute: { batchSize: 16 } },
        '--temperature 0.4',
        '!--batch',
        '!prompt=',
        '!hotwords',
      ],
    },
    jfk: ['jfk', 'en', 0.929797, [[0, 10.36, CLIPS.jfk.text]], [4, 1.58, 2.1, 'Americans,']],
    silence: 'silence-batched',
    progress: PYTHON_PROGRESS,
    detection: [
      'detection',
      ['a', 'b', 'c'],
      [
        ['en', 0.929797],
        ['en', 0.359082],
        ['en', 0.997686],
      ],
      '--beam_size 1',
    ],
    failures: {
      'bad-audio': ['engine_failed', /InvalidDataError: .*Invalid data found/],
      'tuple-index': ['engine_failed', /IndexError: tuple index out of range/],
      'no-model': ['model_missing', /no model at '\/no\/such\/model\.bin'/],
      'no-model-old': ['model_missing', /no model at '\/models\/gone\/model\.bin'/],
      offline: ['model_missing', /could not get its model/],
      'no-network': ['model_missing', /could not get its model/],
      'broken-model': ['model_missing', /damaged/],
      'unknown-model': ['model_missing', /does not know the model 'nonsense'/],
      'unknown-language': ['unsupported_language', /'xx'/],
      'bad-language-code': ['unsupported_language', /'yue'/],
      'unknown-option': ['engine_failed', /does not know the option --no_such_option: its version/],
      'no-words': ['engine_failed', /requires --word_timestamps True/],
      float16: ['engine_failed', /cannot compute with float16/],
      'no-gpu': ['engine_failed', /cannot use the GPU \(driver version is insufficient\)/],
      'no-cudnn': ['engine_failed', /libcudnn_ops\.so\.9\.1\.0.*pip install/],
      'no-cublas': ['engine_failed', /libcublas\.so\.12.*LD_LIBRARY_PATH/],
      'out-of-memory-in-file': ['gpu_out_of_memory', /memory/],
      'out-of-memory-at-start': ['gpu_out_of_memory', /memory/],
      'out-of-memory-uncaught': ['gpu_out_of_memory', /memory/],
      killed: ['engine_failed', /was killed.*main memory/],
      'killed-in-container': ['engine_failed', /was killed.*main memory/],
      crashed: ['engine_failed', /was ended by SIGSEGV/],
    },
    successes: ['jfk', 'says-out-of-memory'],
    replay: async (folder, scenario) =>
      fasterWhisperProgram(
        setupOf(replayProgram(folder, 'whisper-ctranslate2', scenario), { env: {} }),
      ),
    scenarios: { success: 'text', 'bad-audio': 'engine_failed', 'no-model': 'model_missing' },
    identifies: true,
  },
  {
    definition: openaiWhisper,
    program: openaiWhisperProgram(setupOf('/opt/bin/whisper')),
    model: 'base',
    ...recorded('openai-whisper'),
    command:
      '/opt/bin/whisper /job/piece.wav --output_dir /job/out --output_format json --task transcribe ' +
      '--language de --model /models/base --verbose True --device cuda --fp16 True ' +
      '--condition_on_previous_text False --word_timestamps True --hallucination_silence_threshold 2 --threads 2',
    env: { PYTHONUNBUFFERED: '1' },
    plans: {
      ...shared,
      'on the CPU with float32': [onCpu, '--device cpu --fp16 False'],
      'without words and a language': [
        { options: { words: false, language: null } },
        '!--language',
        '!--word_timestamps',
        '!--hallucination_silence_threshold',
      ],
      'for a second try without prompt': [secondTry, '--temperature 0.4', '!prompt'],
    },
    jfk: [
      'jfk-words',
      'en',
      undefined,
      [
        [0, 7.66, 'And so, my fellow Americans, ask not what your country can do for you,'],
        [7.7, 10.44, 'ask what you can do for your country.'],
      ],
      [1, 0.62, 1.02, 'so,'],
    ],
    silence: null,
    progress: PYTHON_PROGRESS,
    detection: null,
    failures: {
      'bad-audio': ['engine_failed', /ended with code 0: .*Invalid data found/],
      'no-audio-file': ['engine_failed', /No such file or directory/],
      'unknown-language': ['unsupported_language', /'klingon'/],
      'unknown-model': ['model_missing', /'gigantic'/],
      'named-model-offline': ['model_missing', /could not get its model/],
      cuda: ['engine_failed', /cannot use the GPU/],
      'no-driver': ['engine_failed', /cannot use the GPU \(Found no NVIDIA driver\)/],
      'out-of-memory': ['gpu_out_of_memory', /memory/],
      'out-of-memory-at-start': ['gpu_out_of_memory', /memory/],
      'no-ffmpeg': ['engine_missing', /ffmpeg/],
      'bad-checksum': ['model_missing', /could not get its model/],
      killed: ['engine_failed', /main memory/],
    },
    successes: ['success', 'says-skipping'],
    replay: async (folder, scenario) =>
      openaiWhisperProgram(setupOf(replayProgram(folder, 'whisper', scenario), { env: {} })),
    scenarios: { success: 'text', 'bad-audio': 'engine_failed', 'no-ffmpeg': 'engine_missing' },
    identifies: true,
  },
  {
    definition: whisperx,
    program: whisperxProgram({ ...setupOf('/opt/bin/whisperx'), ...whisperxSetup }),
    model: 'base',
    ...recorded('whisperx'),
    command:
      '/opt/bin/whisperx /job/piece.wav --output_dir /job/out --output_format json --task transcribe ' +
      '--language de --model /models/base --device cuda --device_index 0 --compute_type default ' +
      '--vad_method pyannote --verbose False --log-level info --print_progress True --threads 2',
    env: { PYTHONUNBUFFERED: '1' },
    plans: {
      ...shared,
      'on the CPU with int8': [onCpu, '--device cpu --device_index 0 --compute_type int8'],
      'in batches': [{ compute: { batchSize: 8 } }, '--batch_size 8'],
      'for a second try without prompt and hotwords': [
        secondTry,
        '--temperature 0.4',
        '!prompt',
        '!hotwords',
      ],
    },
    jfk: ['jfk-noalign-pyannote', 'de', undefined, [[0.301, 10.983, CLIPS.jfk.text]], null],
    silence: 'silence',
    progress: [],
    detection: [
      'detection',
      ['a', 'b'],
      [
        ['en', 0.95],
        ['de', 1],
      ],
      '--no_align --beam_size 1',
    ],
    failures: {
      'bad-audio': ['engine_failed', /Invalid data found/],
      'unknown-language': ['unsupported_language', /'klingon'/],
      'jfk-align': ['model_missing', /could not get its model/],
      'jfk-noalign-silero': ['model_missing', /could not get its model/],
      'no-align-model': ['unsupported_language', /'cy'/],
      'no-punkt': ['model_missing', /punkt_tab/],
      gated: ['model_missing', /HF_TOKEN/],
      diarize: ['model_missing', /./],
      'out-of-memory': ['gpu_out_of_memory', /memory/],
      'out-of-memory-diarize': ['engine_failed', /memory/],
      killed: ['engine_failed', /main memory/],
      crashed: ['engine_failed', /libcudnn_cnn_infer\.so\.8/],
    },
    successes: ['success', 'silence'],
    replay: async (folder, scenario) =>
      whisperxProgram({
        ...setupOf(replayProgram(folder, 'whisperx', scenario), { env: {} }),
        ...whisperxSetup,
      }),
    scenarios: { success: 'text', 'bad-audio': 'engine_failed', killed: 'engine_failed' },
    identifies: true,
  },
  {
    definition: whisperCpp,
    program: whisperCli('/opt/bin/whisper-cli', 'base', (model) => `/models/${model}.bin`, 2),
    model: 'base',
    ended(run) {
      const file = path.join(recordedIn('whisper-cpp'), `${run.replace(/\d$/, '')}.stderr.txt`)
      const exitCode = Number(/\d$/.exec(run)?.[0] ?? 0)
      return { exitCode, signal: null, stdout: '', stderr: readFileSync(file, 'utf8') }
    },
    wrote: (run) => readFileSync(path.join(recordedIn('whisper-cpp'), `${run}.json`)),
    // A beam search that does not go on from its own text.
    command:
      '/opt/bin/whisper-cli -m /models/base.bin -t 2 -f /job/piece.wav -l de -bs 5 -bo 5 -tp 0 ' +
      '-nth 0.6 -et 2.4 -lpt -1 -mc 0 -sns -ojf -of /job/out/out -pp',
    env: { OMP_WAIT_POLICY: 'PASSIVE' },
    plans: {
      'for any language': [{ options: { language: null } }, '-l auto'],
      'in the language as Whisper names it': [{ options: { language: 'German' } }, '-l de'],
      'for a translation': [{ options: { task: 'translate' } }, '-tr'],
      'on the CPU': [onCpu, '-ng'],
      'with prompt and hotwords in every window, and room for hardly more': [
        { options: { prompt: '--help; $(id)', hotwords: 'Elinor' } },
        '--prompt --help; $(id) Elinor --carry-initial-prompt',
        '-mc 15',
      ],
      'for a second try without prompt': [secondTry, '-tp 0.4', '-mc 0', '!--prompt'],
    },
    jfk: [
      'jfk',
      'en',
      0.958404,
      [[0, 10.5, CLIPS.jfk.text.replace('Americans,', 'Americans')]],
      [0, 0.32, 0.4, 'And'],
    ],
    silence: null,
    progress: [
      ['whisper_print_progress_callback: progress =  50%', 'stderr', 5.5],
      ['whisper_print_progress_callback: progress = 272%', 'stderr', 11],
      ['[00:00:00.000 --> 00:00:03.800]   And so', 'stdout', 3.8],
      ['[00:00:00.000 --> 01:00:03.800]   And so', 'stdout', 11],
      ['progress = 50%', 'stdout', null],
    ],
    detection: [
      'detect',
      ['/work/austen.wav', '/work/no.wav', '/work/jfk.wav'],
      [['en', 0.99953], null, ['en', 0.958404]],
      '-t 2 -dl -f /work/austen.wav -f /work/no.wav -f /work/jfk.wav',
    ],
    failures: {
      'bad-audio': ['engine_failed', /could not read the audio/],
      'no-file2': ['engine_failed', /could not read the audio/],
      'unknown-language': ['unsupported_language', /'xx'/],
      'unknown-flag': ['engine_failed', /too old/],
      unwritable: ['engine_failed', /could not write/],
      'no-model3': ['model_missing', /nothere\.bin/],
      'cut-model3': ['model_missing', /broken/],
      'not-a-model3': ['model_missing', /broken/],
    },
    successes: ['jfk'],
    async replay(folder, scenario) {
      const program = await installReplay(folder, 'whisper-cli')
      return whisperCli(program, 'base', () => path.join(folder, `ggml-${scenario}.bin`), null)
    },
    scenarios: {
      base: 'text',
      'bad-audio': 'engine_failed',
      nothing: 'engine_failed',
      half: 'engine_failed',
      cut: 'model_missing',
      medium: 'gpu_out_of_memory',
      crash: 'engine_failed',
      killed: 'engine_failed',
    },
    identifies: false,
  },
]

const dir = tempFolder()

for (const row of ROWS) {
  const { definition, program, model, ended } = row
  const { name } = definition
  const request = ({ options, compute, ...change }: Change = {}): PlanRequest => ({
    wavPath: '/job/piece.wav',
    durationSeconds: 11,
    workDir: '/job/out',
    slot: { index: 0, gpu: 'GPU-1' },
    again: false,
    ...change,
    options: { ...OPTIONS, language: 'de', ...options },
    compute: { batchSize: null, computeType: null, model, device: 'gpu', ...compute },
  })
  const argsOf = (plan: { args: readonly string[] }): string => ` ${plan.args.join(' ')} `

  describe(`the command-line engine ${name}`, () => {
    it('plans the whole command for a GPU', () => {
      const { file, args, env, output } = program.plan(request())
      assert.equal([file, ...args].join(' '), row.command)
      assert.deepEqual(env, row.env)
      assert.match(typeof output === 'string' ? output : '', /^\/job\/out\/\w+\.json$/)
    })

    for (const [title, [change, ...expected]] of Object.entries(row.plans)) {
      it(`plans a command ${title}`, () => {
        const args = argsOf(program.plan(request(change)))
        for (const part of expected) {
          const isAbsent = part.startsWith('!')
          const found = args.includes(isAbsent ? part.slice(1) : ` ${part} `)
          assert.equal(found, !isAbsent, `${part} in ${args}`)
        }
      })
    }

    it('reads what it really wrote', () => {
      const [run, language, probability, segments, word] = row.jfk
      const asked = request({ options: { language: language === 'de' ? 'de' : null } })
      const result = program.parse(row.wrote(run), ended(run), asked)
      assert.equal(result.language, language)
      assert.equal(result.languageProbability, probability)
      const times = result.segments.map(({ start, end, text }) => [start, end, text])
      assert.deepEqual(times, segments)
      const [first] = result.segments
      assert.ok((first?.avgLogprob ?? 0) < 0 && (first?.avgLogprob ?? -9) > -1)
      if (word === null) return
      const [index, start, end, text] = word
      const { probability: certainty, ...read } = first?.words?.[index] ?? {}
      assert.deepEqual(read, { start, end, text })
      assert.ok(certainty !== undefined && certainty > 0.5 && certainty <= 1)
    })

    it('reads no segments where nobody speaks', { skip: row.silence === null }, () => {
      const run = row.silence!
      assert.deepEqual(program.parse(row.wrote(run), ended(run), request()).segments, [])
    })

    it('refuses output that is cut off, or something else', () => {
      const [run] = row.jfk
      const whole = row.wrote(run)
      const half = whole.subarray(0, whole.length / 2)
      for (const output of [half, '', '{}', '[]', '{"segments":1,"transcription":1}', '<html>']) {
        assert.throws(
          () => program.parse(Buffer.from(output), ended(run), request()),
          { code: 'engine_failed' },
          String(output),
        )
      }
    })

    it('reads its progress', { skip: row.progress.length === 0 }, () => {
      for (const [line, stream, seconds] of row.progress) {
        assert.equal(program.progress?.(request())(line, stream), seconds, line)
      }
    })

    it(
      'detects the languages of several files in one run',
      { skip: row.detection === null },
      () => {
        const [run, files, languages, expected] = row.detection!
        const found = languages.map((one) =>
          one === null ? null : { language: one[0], probability: one[1] },
        )
        const detection = program.detection!
        assert.deepEqual(detection.parse(ended(run), files), found)
        const { output, ...plan } = detection.plan(request({ options: { language: null } }), files)
        assert.equal(output, null)
        const args = argsOf(plan)
        for (const part of [expected, ...files]) assert.ok(args.includes(` ${part} `), args)
        assert.doesNotMatch(args, / (--language|-l) /)
      },
    )

    for (const [run, [code, message]] of Object.entries(row.failures)) {
      it(`reports ${code} after the run ${run}`, () => {
        const error = program.classify(ended(run))
        assert.equal(error?.code, code, error?.message)
        assert.match(error.message, new RegExp(`^The engine ${name} `))
        assert.match(error.message, message)
      })
    }

    it('reports no error after a success, whatever is said in the recording', () => {
      for (const run of row.successes) assert.equal(program.classify(ended(run)), null, run)
      const stdout = `${ended(row.successes[0]!).stdout}\n[00:01.000 --> 00:02.000]  CUDA out of memory`
      assert.equal(program.classify({ ...ended(row.successes[0]!), stdout }), null)
    })

    it('keeps a failure apart from an error that is spoken of', () => {
      const stdout = '[00:01.000 --> 00:02.000]  CUDA out of memory\n'
      const failed = ended('bad-audio')
      const error = program.classify({ ...failed, stdout: stdout + failed.stdout })
      assert.equal(error?.code, 'engine_failed')
    })

    for (const [scenario, expected] of Object.entries(row.scenarios)) {
      it(`gives ${expected} and leaves no process behind: ${scenario}`, async () => {
        const folder = path.join(dir, `${name}-${scenario}`)
        await mkdir(folder)
        const wavPath = path.join(folder, 'piece.wav')
        await copyFile(CLIPS.jfk.file, wavPath)
        await writeFile(path.join(folder, `ggml-${scenario}.bin`), '')
        const info = { name, model, device: 'replay', version: '1' }
        const settings = engineSettings(folder)
        const engine = new CliEngine(await row.replay(folder, scenario), settings, info, [])
        const transcribing = engine.transcribe(await requestFor(folder, { wavPath }))
        if (expected === 'text') assert.notDeepEqual((await transcribing).segments, [])
        else await assert.rejects(transcribing, { code: expected })
        const children = path.join(folder, 'children')
        const pids = existsSync(children) ? readFileSync(children, 'utf8').trim().split(/\s/) : []
        await Promise.all(pids.map(Number).map(gone))
      })
    }

    const { signal } = new AbortController()

    it('says how to get a program that is missing', async () => {
      const program = path.join(dir, 'nowhere')
      const settings = engineSettings(dir, { program })
      const probe = await definition.probe(settings, signal)
      assert.equal(probe.usable, false)
      assert.match(probe.why, /pip install|no program/)
      assert.throws(
        () => definition.create(settings, probe),
        (error: AppError) => error.code === 'engine_missing' && error.message.includes(probe.why),
      )
    })

    it('refuses another program of its name', { skip: !row.identifies }, async () => {
      const probe = await definition.probe(engineSettings(dir, { program: '/bin/true' }), signal)
      assert.equal(probe.usable, false)
      assert.match(probe.why, /does not identify itself as [\w-]+/)
    })
  })
}
