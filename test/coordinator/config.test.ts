import assert from 'node:assert/strict'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, test } from 'node:test'
import { Command, CommanderError } from 'commander'
import { addServeSettings, configOf, type Config } from '../../coordinator/config.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'

const MINE = /^MORAG_/

/** The settings that these arguments and variables make, with nothing of whoever runs the tests. */
function config(args: string[] = [], variables: Record<string, string> = {}): Config {
  const before = { ...process.env }
  for (const name of Object.keys(process.env)) if (MINE.test(name)) delete process.env[name]
  Object.assign(process.env, variables)
  try {
    const command = new Command().exitOverride().configureOutput({ writeErr: () => undefined })
    addServeSettings(command).parse(args, { from: 'user' })
    return configOf(command.opts())
  } finally {
    for (const name of Object.keys(process.env)) if (MINE.test(name)) delete process.env[name]
    Object.assign(process.env, before)
  }
}

function refusal(args: string[], variables: Record<string, string> = {}): string {
  try {
    config(args, variables)
  } catch (error) {
    const usage = error instanceof CommanderError || error instanceof AppError
    if (!usage) throw error
    if (error instanceof AppError) assert.equal(error.code, 'usage')
    return error.message
  }
  return assert.fail('was taken')
}

test('without anything said the settings are those that the settings page promises', () => {
  const promised = {
    host: '127.0.0.1',
    port: 8000,
    tls: null,
    dataDir: '/app/data/remote_jobs',
    mediaRoots: [os.tmpdir()],
    apiKey: null,
    insecureNoAuth: false,
    connections: { all: null, perAddress: null },
    trustedProxies: [],
    maxUploadBytes: 8 * 1024 ** 3,
    maxRetries: 3,
    policy: {
      leaseMs: MINUTE,
      stallMs: 10 * MINUTE,
      deadlineMs: { audio: HOUR, video: HOUR, document: 15 * MINUTE, default: HOUR },
      deadlineFactor: 4,
      queueLimitMs: null,
      originalGraceMs: 5 * MINUTE,
    },
    retention: { completedMs: 7 * DAY, failedMs: 30 * DAY, sourcesMs: null },
    ingestion: {
      moragUrl: null,
      moragApi: null,
      publicUrl: null,
      moragApiKey: null,
      remoteTypes: ['audio', 'video'],
      localProcessors: {},
      fallbackAfterMs: 5 * MINUTE,
      webhookSecret: null,
      webhookAllow: [],
      webhookProxy: null,
      outputDir: null,
    },
    logLevel: 'info',
  }
  const settings = Object.entries(config()).filter(([name]) => Object.hasOwn(promised, name))
  assert.deepEqual(Object.fromEntries(settings), promised)
})

const settings: [string, string, string, string, (of: Config) => unknown, unknown, unknown][] = [
  ['--host', 'MORAG_HOST', '127.0.0.2', 'localhost', (of) => of.host, '127.0.0.2', 'localhost'],
  ['--port', 'MORAG_PORT', '0', '9000', (of) => of.port, 0, 9000],
  [
    '--data-dir',
    'MORAG_REMOTE_JOBS_DATA_DIR',
    'here',
    '/there',
    (of) => of.dataDir,
    path.resolve('here'),
    '/there',
  ],
  [
    '--media-root',
    'MORAG_MEDIA_ROOTS',
    '/a',
    '/b:/c::',
    (of) => of.mediaRoots,
    ['/a'],
    ['/b', '/c'],
  ],
  [
    '--max-upload',
    'MORAG_MAX_UPLOAD',
    '500M',
    '1.5GiB',
    (of) => of.maxUploadBytes,
    500 * 1024 ** 2,
    1.5 * 1024 ** 3,
  ],
  ['--max-retries', 'MORAG_MAX_RETRIES', '0', '9', (of) => of.maxRetries, 0, 9],
  ['--lease', 'MORAG_LEASE', '3s', '2m', (of) => of.policy.leaseMs, 3 * SECOND, 2 * MINUTE],
  [
    '--original-grace',
    'MORAG_ORIGINAL_GRACE',
    '1s',
    '10m',
    (of) => of.policy.originalGraceMs,
    SECOND,
    10 * MINUTE,
  ],
  ['--stall', 'MORAG_STALL', '1h30m', '60', (of) => of.policy.stallMs, 1.5 * HOUR, MINUTE],
  ['--timeout-factor', 'MORAG_TIMEOUT_FACTOR', '0', '10', (of) => of.policy.deadlineFactor, 0, 10],
  ['--queue-limit', 'MORAG_QUEUE_LIMIT', '1d', 'off', (of) => of.policy.queueLimitMs, DAY, null],
  [
    '--keep-completed',
    'MORAG_KEEP_COMPLETED',
    'forever',
    '1d',
    (of) => of.retention.completedMs,
    null,
    DAY,
  ],
  [
    '--keep-failed',
    'MORAG_KEEP_FAILED',
    '2d',
    'forever',
    (of) => of.retention.failedMs,
    2 * DAY,
    null,
  ],
  [
    '--remove-sources',
    'MORAG_REMOVE_SOURCES',
    'on-success',
    '12h',
    (of) => of.retention.sourcesMs,
    'on-success',
    12 * HOUR,
  ],
  [
    '--morag-url',
    'MORAG_SERVER_URL',
    'http://morag.lan:8001/',
    'https://morag.example/base/api/v1',
    (of) => of.ingestion.moragUrl,
    'http://morag.lan:8001',
    'https://morag.example/base',
  ],
  [
    '--remote-types',
    'MORAG_REMOTE_TYPES',
    'audio',
    'audio, image',
    (of) => of.ingestion.remoteTypes,
    ['audio'],
    ['audio', 'image'],
  ],
  [
    '--local-processor',
    'MORAG_LOCAL_PROCESSORS',
    "document='pandoc' -t markdown {input}",
    `a=sed 's/x/;/' {input}; b="c d" --in={input}\nc=./e {input}`,
    (of) => of.ingestion.localProcessors,
    { document: ['pandoc', '-t', 'markdown', '{input}'] },
    {
      a: ['sed', 's/x/;/', '{input}'],
      b: ['c d', '--in={input}'],
      c: [path.resolve('e'), '{input}'],
    },
  ],
  [
    '--fallback-after',
    'MORAG_FALLBACK_AFTER',
    'off',
    '90s',
    (of) => of.ingestion.fallbackAfterMs,
    null,
    90 * SECOND,
  ],
  [
    '--webhook-allow',
    'MORAG_WEBHOOK_ALLOW',
    '10.0.0.0/8',
    'a.lan,b.lan',
    (of) => of.ingestion.webhookAllow,
    ['10.0.0.0/8'],
    ['a.lan', 'b.lan'],
  ],
  [
    '--webhook-proxy',
    'MORAG_WEBHOOK_PROXY',
    'http://proxy.lan:3128',
    'proxy.lan:3129',
    (of) => of.ingestion.webhookProxy,
    'http://proxy.lan:3128/',
    'http://proxy.lan:3129/',
  ],
  [
    '--output-dir',
    'MORAG_OUTPUT_DIR',
    'here',
    '/there',
    (of) => of.ingestion.outputDir,
    path.resolve('here'),
    '/there',
  ],
  ['--log-level', 'MORAG_LOG_LEVEL', 'debug', 'WARN', (of) => of.logLevel, 'debug', 'warn'],
  ['--log-format', 'MORAG_LOG_FORMAT', 'text', 'json', (of) => of.logFormat, 'text', 'json'],
]

for (const [flag, variable, flagged, inVariable, of, fromFlag, fromVariable] of settings) {
  test(`${flag} beats ${variable}, which beats the default, and set to nothing counts as not set`, () => {
    assert.deepEqual(of(config([flag, flagged])), fromFlag)
    assert.deepEqual(of(config([], { [variable]: inVariable })), fromVariable)
    assert.deepEqual(of(config([flag, flagged], { [variable]: inVariable })), fromFlag)
    assert.deepEqual(of(config([], { [variable]: ' ' })), of(config()))
  })
}

test('a timeout is set for the types that are named, and the rest keep theirs', () => {
  const { deadlineMs } = config([
    '--timeout',
    'audio=2h,subtitles=1m',
    '--timeout',
    'default=5m',
  ]).policy
  assert.deepEqual(deadlineMs, {
    audio: 2 * HOUR,
    video: HOUR,
    document: 15 * MINUTE,
    default: 5 * MINUTE,
    subtitles: MINUTE,
  })
  assert.equal(
    config([], { MORAG_TIMEOUTS: ' video = 90m ' }).policy.deadlineMs['video'],
    1.5 * HOUR,
  )
})

test('local processors may be named one by one; of a type the last one counts', () => {
  const one = ['--local-processor', 'document=a {input}']
  const two = ['--local-processor', 'image=b {input}', '--local-processor', 'document=c {input}']
  assert.deepEqual(config([...one, ...two]).ingestion.localProcessors, {
    document: ['c', '{input}'],
    image: ['b', '{input}'],
  })
  assert.match(refusal(['--local-processor', "a=b 'c {input}"]), /not closed/)
})

test('several media roots may be named one by one or together', () => {
  const { mediaRoots } = config(['--media-root', '/a', '--media-root', '/b:/c'])
  assert.deepEqual(mediaRoots, ['/a', '/b', '/c'])
})

describe('a value that cannot be is refused in a sentence that names where it came from:', () => {
  for (const [flag, variable, value] of [
    ['--port', 'MORAG_PORT', '65536'],
    ['--port', 'MORAG_PORT', 'http'],
    ['--max-upload', 'MORAG_MAX_UPLOAD', 'much'],
    ['--max-retries', 'MORAG_MAX_RETRIES', '-1'],
    ['--lease', 'MORAG_LEASE', '2s'],
    ['--stall', 'MORAG_STALL', 'soon'],
    ['--original-grace', 'MORAG_ORIGINAL_GRACE', 'off'],
    ['--timeout', 'MORAG_TIMEOUTS', 'audio'],
    ['--timeout', 'MORAG_TIMEOUTS', 'audio=soon'],
    ['--timeout', 'MORAG_TIMEOUTS', '=1m'],
    ['--timeout-factor', 'MORAG_TIMEOUT_FACTOR', '1.5'],
    ['--queue-limit', 'MORAG_QUEUE_LIMIT', 'never'],
    ['--keep-failed', 'MORAG_KEEP_FAILED', 'long'],
    ['--local-processor', 'MORAG_LOCAL_PROCESSORS', 'document=pandoc'],
    ['--local-processor', 'MORAG_LOCAL_PROCESSORS', 'pandoc {input}'],
    ['--local-processor', 'MORAG_LOCAL_PROCESSORS', 'document={input}'],
    ['--fallback-after', 'MORAG_FALLBACK_AFTER', 'soon'],
    ['--log-level', 'MORAG_LOG_LEVEL', 'loud'],
    ['--log-format', 'MORAG_LOG_FORMAT', 'xml'],
  ] as const) {
    test(`${flag} ${value}`, () => {
      const byFlag = refusal([`${flag}=${value}`])
      assert.ok(byFlag.includes(flag) && byFlag.includes(`'${value}'`), byFlag)
      const byVariable = refusal([], { [variable]: value })
      assert.ok(byVariable.includes(variable) && byVariable.includes(`'${value}'`), byVariable)
      assert.ok(!byFlag.includes('\n') && !byVariable.includes('\n'))
    })
  }
})

describe('listening beyond this machine', () => {
  for (const host of [
    '0.0.0.0',
    '::',
    '192.168.0.1',
    'example.org',
    '127.0.0.1.example.org',
    '128.0.0.1',
    'localhost.example.org',
  ]) {
    test(`on ${host} needs a key`, () => {
      const said = refusal(['--host', host])
      assert.ok(said.includes(host) && said.includes('MORAG_API_KEY'), said)
      assert.ok(refusal(['--host', host], { MORAG_API_KEY: '  ' }).includes('MORAG_API_KEY'))
      const open = config(['--host', host], { MORAG_API_KEY: ' secret\n' })
      assert.deepEqual([open.host, open.apiKey], [host, 'secret'])
    })
  }

  for (const host of ['127.0.0.1', '127.1.2.3', '::1', 'localhost']) {
    test(`is not what ${host} does`, () => assert.equal(config(['--host', host]).apiKey, null))
  }
})

test('the settings cannot be changed later', () => {
  assert.throws(() => Object.assign(config(), { apiKey: null }), TypeError)
})

test('secrets come from a file or a variable, the file first', () => {
  const file = fileURLToPath(import.meta.url)
  const { ingestion } = config(['--morag-api-key-file', file], {
    MORAG_SERVER_API_KEY: 'the variable',
    MORAG_WEBHOOK_SECRET: ' hush ',
  })
  assert.match(String(ingestion.moragApiKey), /^import assert/)
  assert.equal(ingestion.webhookSecret, 'hush')
  assert.match(refusal(['--webhook-secret-file', '/nowhere/secret']), /--webhook-secret-file/)
  assert.match(refusal(['--morag-url', 'morag.lan']), /write http:\/\/host:port/)
  assert.match(refusal(['--morag-url', 'http://morag.lan/#x']), /write http:\/\/host:port/)
  for (const who of ['me', 'me:hidden', ':hidden']) {
    const said = refusal(['--morag-url', `http://${who}@morag.lan`])
    assert.match(said, /password out of the URL of morag\.lan/)
  }
})
