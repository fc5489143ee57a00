import { addSettings } from '../../shared/settings.ts'
import { SETTINGS } from '../../agent/settings/table.ts'
import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, it } from 'node:test'
import { Command } from 'commander'
import {
  isReadableByOthers,
  prepareEnvironment,
  startSettings,
  type Flags,
  type StartSettings,
} from '../../agent/settings/config.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
for (const name of Object.keys(process.env)) {
  if (name.startsWith('MORAG_')) delete process.env[name]
}
const before = { ...process.env }

afterEach(() => {
  for (const name of Object.keys(process.env)) {
    if (!(name in before)) delete process.env[name]
  }
  Object.assign(process.env, before)
})

/** The flags of `start` as they come from a command line and the environment. */
function flagsOf(args: string[], environment: Record<string, string> = {}): Flags {
  Object.assign(process.env, environment)
  prepareEnvironment()
  const command = new Command('start').exitOverride().configureOutput({ outputError() {} })
  addSettings(command, ...SETTINGS)
  return command.parse(args, { from: 'user' }).opts()
}

const readAll = (args: string[], environment?: Record<string, string>): StartSettings =>
  startSettings(flagsOf(args, environment))

/** The settings with those of the only coordinator, and the number of slots, beside the rest. */
function read(args: string[], environment?: Record<string, string>) {
  const { coordinators, media, ...settings } = readAll(args, environment)
  assert.equal(coordinators.length, 1)
  const { engine, ffmpeg, modelsDir, cpuSlots: slots } = media
  return { ...settings, ...coordinators[0]!, engine, ffmpeg, modelsDir, slots }
}

describe('the settings of start', () => {
  it('have defaults', () => {
    const settings = read([], { XDG_STATE_HOME: '/state', XDG_CACHE_HOME: '/cache' })
    const promised = {
      url: 'http://127.0.0.1:8000',
      apiKey: null,
      engine: 'auto',
      ffmpeg: null,
      modelsDir: '/cache/morag/models',
      logLevel: 'info',
      logFormat: 'text',
      workerId: null,
      contentTypes: ['audio', 'video'],
      converters: { commands: {}, timeoutMs: 600_000 },
      slots: 1,
      workDir: '/state/morag/work',
      waitSeconds: 30,
      prefetch: 1,
      limits: { idleTimeoutMs: null, maxJobs: null, maxUptimeMs: null },
      healthAddress: null,
      once: false,
      exitWhenIdle: false,
    }
    const named = Object.entries(settings).filter(([name]) => Object.hasOwn(promised, name))
    assert.deepEqual(Object.fromEntries(named), promised)
    assert.ok(Object.isFrozen(readAll([])))
  })

  it("come from the original's variables", () => {
    const settings = read([], {
      MORAG_API_BASE_URL: 'http://host:9000/',
      MORAG_WORKER_ID: 'gpu-worker-01',
      MORAG_API_KEY: ' sesame ',
      MORAG_WORKER_CONTENT_TYPES: 'audio, document',
      MORAG_CONVERTERS: 'document=markitdown {input}',
      MORAG_WORKER_POLL_INTERVAL: '10',
      MORAG_WORKER_MAX_CONCURRENT_JOBS: '2',
      MORAG_TEMP_DIR: '/work',
      MORAG_LOG_LEVEL: 'WARNING',
    })
    const { url, workerId, apiKey, contentTypes, waitSeconds, slots, workDir, logLevel } = settings
    assert.deepEqual(
      { url, workerId, apiKey, contentTypes, waitSeconds, slots, workDir, logLevel },
      {
        url: 'http://host:9000',
        workerId: 'gpu-worker-01',
        apiKey: 'sesame',
        contentTypes: ['audio', 'document'],
        waitSeconds: 10,
        slots: 2,
        workDir: '/work',
        logLevel: 'warn',
      },
    )
  })

  it('come from a flag before a variable', () => {
    assert.equal(read(['--slots', '3'], { MORAG_WORKER_MAX_CONCURRENT_JOBS: '2' }).slots, 3)
  })

  it('do not come from an empty variable', () => {
    const { url, slots, apiKey } = read([], {
      MORAG_API_BASE_URL: '',
      MORAG_WORKER_MAX_CONCURRENT_JOBS: ' ',
      MORAG_API_KEY: '',
    })
    assert.deepEqual([url, slots, apiKey], ['http://127.0.0.1:8000', 1, null])
  })

  it('lock ffmpeg into what there is for that, or into what is asked for', () => {
    const sandbox = (args: string[], environment?: Record<string, string>): string =>
      readAll(args, environment).media.sandbox
    assert.equal(sandbox([]), 'auto')
    assert.equal(sandbox([], { MORAG_SANDBOX: 'bwrap' }), 'bwrap')
    assert.equal(sandbox(['--sandbox', 'none'], { MORAG_SANDBOX: 'bwrap' }), 'none')
    assert.throws(() => sandbox(['--sandbox', 'chroot']), /Allowed choices are auto, bwrap, none/)
  })

  it('take what the converters serve beside speech, by default', () => {
    const all = ['--converter', 'document=markitdown {input}', '--converter', 'image=ocr {input} -']
    const { contentTypes, converters } = readAll(all)
    assert.deepEqual(contentTypes, ['audio', 'video', 'document', 'image'])
    assert.deepEqual(converters, {
      commands: { document: ['markitdown', '{input}'], image: ['ocr', '{input}', '-'] },
      timeoutMs: 600_000,
    })
    assert.deepEqual(readAll(['--types', 'image', ...all]).contentTypes, ['image'])
    const more = ['--converter-timeout', '90s', '--converter', 'a=b {input}; c=d {input}']
    assert.deepEqual(readAll(more).converters, {
      commands: { a: ['b', '{input}'], c: ['d', '{input}'] },
      timeoutMs: 90_000,
    })
  })

  it('refuse a content type that nothing here makes text of, with a program that would', () => {
    const fix =
      /'image', which has no converter: only audio and video need none\. .*--converter image='tesseract \{input\} stdout'/
    assert.throws(() => readAll(['--types', 'audio,image']), fix)
    assert.throws(() => readAll(['--types', 'constructor']), /--converter constructor='program/)
    const of = ['--types', 'audio,image', '--converter', 'document=markitdown {input}']
    assert.throws(() => readAll(of), fix)
    const wrong = /--converter.*'document=markitdown' is not a converter: write it like/s
    assert.throws(() => readAll(['--converter', 'document=markitdown']), wrong)
  })

  it('let a request wait no longer than the protocol allows', () => {
    assert.equal(read(['--poll-interval', '600']).waitSeconds, 60)
    assert.equal(read(['--poll-interval', '0']).waitSeconds, 0)
  })

  for (const [level, known] of [
    ['DEBUG', 'debug'],
    ['critical', 'error'],
    ['Warn', 'warn'],
  ] as const) {
    it(`call the level ${level} ${known}`, () =>
      assert.equal(read(['--log-level', level]).logLevel, known))
  }
})

describe('several coordinators', () => {
  it('have each a key of their own, in the same order', async () => {
    await writeFile(path.join(folder, 'one'), 'first')
    await writeFile(path.join(folder, 'two'), 'second')
    const keys = ['one', 'two'].flatMap((name) => ['--api-key-file', path.join(folder, name)])
    const urls = ['--url', 'http://one', '--url', 'http://two']
    const expected = [
      { url: 'http://one', apiKey: 'first' },
      { url: 'http://two', apiKey: 'second' },
    ]
    assert.deepEqual(readAll([...urls, ...keys]).coordinators, expected)
    assert.deepEqual(
      readAll([...urls, '--api-key-file', '-', ...keys.slice(2)]).coordinators[0]?.apiKey,
      null,
    )
    const environment = {
      MORAG_API_BASE_URL: 'http://one,http://two',
      MORAG_API_KEY_FILE: `${path.join(folder, 'one')}, ${path.join(folder, 'two')}`,
    }
    assert.deepEqual(readAll([], environment).coordinators, expected)
  })

  it('are never shown a key that is not said to be theirs', async () => {
    const file = path.join(folder, 'one')
    const urls = ['--url', 'http://one', '--url', 'http://two']
    for (const args of [urls, [...urls, '--api-key-file', file]]) {
      assert.throws(() => readAll(args, { MORAG_API_KEY: 'sesame' }), { code: 'usage' })
    }
    assert.throws(() => readAll([...urls, '--api-key-file', file]), {
      code: 'usage',
      message: /each --url its own --api-key-file/,
    })
    assert.throws(() => readAll(['--url', 'http://one', '--url', 'http://one/']), {
      message: /named twice/,
    })
  })
})

describe('the settings of engines', () => {
  it('come from flags', () => {
    const { media } = readAll([
      '--gpus',
      '0,1',
      '--slots-per-gpu=2',
      '--on-out-of-memory=smaller-model,cpu',
      '--engine-exit-codes=3=model_missing, 65=invalid_media',
      '--engine-command=serve --port {port} "two words"',
      '--diarize',
      '--offline',
    ])
    assert.deepEqual([media.gpus, media.slotsPerGpu], [['0', '1'], 2])
    const { onOutOfMemory, exitCodes, command, offline } = media.engineSettings
    assert.deepEqual(exitCodes, { 3: 'model_missing', 65: 'invalid_media' })
    assert.deepEqual(onOutOfMemory, { smallerModel: true, cpu: true })
    assert.deepEqual(command, ['serve', '--port', '{port}', 'two words'])
    assert.equal(offline, true)
    assert.equal(media.speakers.always, true)
  })

  it('take a switch that is set to no for no', () => {
    const { media } = readAll([], { MORAG_DIARIZE: '0', MORAG_OFFLINE: 'false' })
    assert.deepEqual([media.speakers.always, media.engineSettings.offline], [false, false])
  })

  it('want both models that tell speakers apart, or neither', () => {
    assert.throws(() => readAll(['--speaker-embedding', 'voices.onnx']), { code: 'usage' })
  })
})

describe('a bad value', () => {
  for (const [variable, flag, value] of [
    ['MORAG_WORKER_MAX_CONCURRENT_JOBS', '--slots', '0'],
    ['MORAG_WORKER_MAX_CONCURRENT_JOBS', '--slots', 'two'],
    ['MORAG_WORKER_POLL_INTERVAL', '--poll-interval', '-1'],
    ['MORAG_WORKER_CONTENT_TYPES', '--types', 'audio,,video'],
    ['MORAG_LOG_LEVEL', '--log-level', 'loud'],
    ['MORAG_LOG_FORMAT', '--log-format', 'xml'],
    ['MORAG_ENGINE', '--engine', 'magic'],
    ['MORAG_GPUS', '--gpus', '0,,1'],
    ['MORAG_ON_OUT_OF_MEMORY', '--on-out-of-memory', 'give up'],
    ['MORAG_ENGINE_EXIT_CODES', '--engine-exit-codes', '0=engine_failed'],
    ['MORAG_ENGINE_EXIT_CODES', '--engine-exit-codes', '3=lease_lost'],
    ['MORAG_IDLE_TIMEOUT', '--idle-timeout', '0'],
    ['MORAG_MAX_JOBS', '--max-jobs', '0'],
  ] as const) {
    it(`of ${variable} (${value}) names the variable and ${flag}`, () => {
      const named = new RegExp(`'${flag} .*${variable}`)
      assert.throws(() => read([], { [variable]: value }), { message: named })
    })
  }

  for (const [flag, value] of [
    ['--url', 'not a url'],
    ['--url', 'ftp://host'],
    ['--worker-id', '../up'],
    ['--worker-id', '.hidden'],
    ['--worker-id', 'a/b'],
    ['--worker-id', 'x'.repeat(101)],
  ] as const) {
    it(`of ${flag} (${value.slice(0, 20)}) is a usage error that names it`, () => {
      assert.throws(() => read([flag, value]), { message: new RegExp(flag) })
    })
  }
})

describe('the key', () => {
  const file = path.join(folder, 'key')

  it('has no flag: the list of processes is for everyone', () => {
    assert.throws(() => read(['--api-key', 'sesame']), { code: 'commander.unknownOption' })
  })

  it('comes from its file, without the line end, before the variable', async () => {
    await writeFile(file, 'sesame\n')
    const environment = { MORAG_API_KEY: 'other' }
    assert.equal(read(['--api-key-file', file], environment).apiKey, 'sesame')
    assert.equal(read([], { ...environment, MORAG_API_KEY_FILE: file }).apiKey, 'sesame')
  })

  it('whose file is missing is a usage error that names the file and the flag', () => {
    assert.throws(() => read(['--api-key-file', '/nowhere/key']), {
      code: 'usage',
      message: /\/nowhere\/key cannot be read \(--api-key-file/,
    })
  })

  for (const content of ['', '\n', 'two\nlines\n']) {
    it(`whose file holds ${JSON.stringify(content)} is a usage error, and not shown`, async () => {
      await writeFile(file, content)
      assert.throws(
        () => read(['--api-key-file', file]),
        (error: Error) => /does not hold one key/.test(error.message) && !/two/.test(error.message),
      )
    })
  }

  it('whose file others can read is noticed', async () => {
    await writeFile(file, 'sesame')
    await chmod(file, 0o644)
    assert.equal(isReadableByOthers(flagsOf(['--api-key-file', file])), true)
    await chmod(file, 0o600)
    assert.equal(isReadableByOthers(flagsOf(['--api-key-file', file])), false)
    assert.equal(isReadableByOthers(flagsOf([])), false)
  })
})
