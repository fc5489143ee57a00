import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { after, before, describe, it, type TestContext } from 'node:test'
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { execa } from 'execa'
import { tokensIn } from '../coordinator/running.ts'
import { freePort } from '../../agent/engines/whisper-cpp/free-port.ts'
import { speechClients, type SpeechClients } from '../../scripts/engines/speech-clients.ts'
import { startCoordinator, type Running, type RunningCoordinator } from '../../scripts/processes.ts'
import { wordErrors } from '../../agent/wer.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { snippetsOf } from '../clients/snippets.ts'
import { startAgent } from '../conversion-set-up.ts'

const { file: CLIP, text: SAID } = CLIPS.austen
const PROGRAMS = path.join(import.meta.dirname, 'front-door')

const folder = tempFolder()
let clients: SpeechClients
let coordinator: RunningCoordinator
let agent: Running
let token = ''

before(async () => {
  clients = await speechClients({ signal: new AbortController().signal })
  const dataDir = path.join(folder, 'data')
  await mkdir(dataDir)
  const tokens = tokensIn(dataDir)
  const wish = { types: null, lifeMs: null }
  token = (await tokens.create({ ...wish, role: 'submit', name: 'client' })).token
  const worker = await tokens.create({ ...wish, role: 'worker', name: 'worker' })
  const key = path.join(folder, 'key')
  await writeFile(key, worker.token)
  coordinator = await startCoordinator(dataDir, folder)
  agent = startAgent(coordinator.url, folder, 'one', '--api-key-file', key)
})
after(async () => {
  agent.signal('SIGKILL')
  coordinator.signal('SIGKILL')
  await Promise.all([agent.ended, coordinator.ended])
})

function assertSaid(text: string): void {
  assert.ok(wordErrors(SAID, text.replaceAll(/\s+/g, ' ').trim()).errors <= 1, text)
}

/** The text of subtitles. */
const spokenIn = (subtitles: string): string =>
  subtitles
    .split('\n')
    .filter((line) => /[a-z]/.test(line))
    .join(' ')

interface Found {
  json: { text: string; usage: object }
  verbose_json: { text: string; language: string; duration: number; segments: { end: number }[] }
  text: string
  srt: string
  vtt: string
  granularities: { words: object[]; segments: object[]; warnings: string[] }
  stream: { type: string; delta?: string; text?: string }[]
  async: [number, string, string]
  models: string[]
  errors: Record<string, [string, string, string]>
  at_once: string[]
}

describe("OpenAI's packages", () => {
  for (const [name, command] of [
    ['openai of PyPI', (): string[] => [clients.python, `${PROGRAMS}/openai_client.py`, CLIP]],
    [
      'openai of npm',
      (): string[] => ['node', `${PROGRAMS}/openai-client.mjs`, clients.packages, CLIP],
    ],
  ] as const) {
    it(`${name}: each format, streams, errors, async`, async () => {
      const [program = '', ...args] = command()
      const env = { OPENAI_BASE_URL: `${coordinator.url}/v1`, OPENAI_API_KEY: token }
      const { stdout } = await execa(program, args, { env })
      const found = JSON.parse(stdout) as Found
      for (const said of [found.json.text, found.verbose_json.text, found.text, ...found.at_once])
        assertSaid(said)
      assertSaid(spokenIn(found.srt))
      assertSaid(spokenIn(found.vtt.replace('WEBVTT', '')))
      assert.deepEqual([found.verbose_json.language, found.verbose_json.duration], ['english', 7.1])
      assert.ok(found.verbose_json.segments.every(({ end }) => end <= 7.1))
      assert.match(String(found.granularities.warnings), /no word timestamps/)
      const deltas = found.stream.filter(({ type }) => type === 'transcript.text.delta')
      const done = found.stream.at(-1)!
      assert.equal(done.type, 'transcript.text.done')
      assert.equal(deltas.map(({ delta }) => delta).join(''), done.text)
      const [status, location, warning] = found.async
      assert.equal(status, 202)
      assert.match(location, /^\/api\/v1\/remote-jobs\/[\w-]{36}$/)
      assert.match(warning, /temperature was ignored/)
      assert.deepEqual([found.models[0], found.models.at(-1)], ['whisper-1', 'moonshine-tiny'])
      const errors = Object.fromEntries(
        Object.entries(found.errors).map(([key, [kind, code]]) => [key, [kind, code]]),
      )
      assert.deepEqual(errors, {
        model: ['NotFoundError', 'model_not_found'],
        noise: ['BadRequestError', 'invalid_media'],
        translation: ['BadRequestError', 'invalid'],
        speakers: ['BadRequestError', 'invalid'],
        key: ['AuthenticationError', 'invalid_api_key'],
      })
    })
  }

  it('the program of the page', async () => {
    const program = path.join(folder, 'openai_client.py')
    await writeFile(program, codeOf('openai_client.py'))
    const env = { OPENAI_BASE_URL: `${coordinator.url}/v1`, OPENAI_API_KEY: token }
    assertSaid((await execa(clients.python, [program, CLIP], { env })).stdout)
  })

  it('behind LiteLLM as a proxy', async (t) => {
    const key = `sk-${'0123456789abcdef'.repeat(3)}`
    const config = path.join(folder, 'litellm.yaml')
    const params = { model: 'openai/whisper-1', api_base: `${coordinator.url}/v1`, api_key: token }
    const models = [{ model_name: 'whisper-1', litellm_params: params }]
    await writeFile(config, JSON.stringify({ model_list: models }))
    const port = await freePort()
    const proxy = execa(
      clients.litellm,
      ['--config', config, '--host', '127.0.0.1', '--port', `${port}`],
      {
        env: { LITELLM_MASTER_KEY: key, LITELLM_LOCAL_MODEL_COST_MAP: 'True' },
        reject: false,
        buffer: false,
        all: true,
      },
    )
    t.after(async () => {
      proxy.kill('SIGKILL')
      await proxy
    })
    const url = `http://127.0.0.1:${port}`
    await says(proxy, /Uvicorn running on/)
    const ask = async (fields: Record<string, string>): Promise<string> => {
      const form = ['file', ...Object.keys(fields)].flatMap((name) => [
        '-F',
        `${name}=${fields[name] ?? `@${CLIP}`}`,
      ])
      const headers = ['-H', `authorization: Bearer ${key}`]
      return await curl([...headers, ...form, `${url}/v1/audio/transcriptions`])
    }
    const model = 'whisper-1'
    assertSaid((JSON.parse(await ask({ model })) as { text: string }).text)
    const verbose = JSON.parse(await ask({ model, response_format: 'verbose_json' })) as object
    assert.ok('segments' in verbose)
    assert.match(await ask({ model, response_format: 'srt' }), /00:00:00/)
    assert.match(await ask({ model, language: '??' }), /language/)
  })
})

describe('clients of whisper-asr-webservice', () => {
  it('Bazarr, and its documented calls', async () => {
    const endpoint = coordinator.url.replace('//', `//any:${token}@`)
    const args = [`${PROGRAMS}/bazarr.py`, endpoint, CLIP, '/films/A film.mkv']
    const found = JSON.parse((await execa(clients.python, args)).stdout) as Record<
      string,
      string
    > & {
      detected: object
      json: { text: string; language: string; segments: object[] }
    }
    const detected = { detected_language: 'english', language_code: 'en', confidence: null }
    assert.deepEqual(found.detected, detected)
    assert.deepEqual(found['language'], detected)
    for (const subtitles of [found['subtitle']!, found['srt']!]) {
      assert.match(subtitles, /^1\n00:00:00,\d{3} --> /)
      assertSaid(spokenIn(subtitles))
    }
    assertSaid(found['txt']!)
    assert.match(found['vtt']!, /^WEBVTT\n/)
    assert.match(found['tsv']!, /^start\tend\ttext\n\d+\t\d+\tAnd /)
    assertSaid(found.json.text)
    assert.deepEqual([found.json.language, found.json.segments.length], ['en', 1])
    assert.deepEqual(found['wrong'], [422, 'invalid'])
    const headers = { authorization: `Bearer ${token}` }
    const job = await fetch(`${coordinator.url}/api/v1/remote-jobs/${found['job']}`, { headers })
    const { source } = (await job.json()) as { source: { filename: string } }
    assert.equal(source.filename, 'A film.mkv')
  })

  it('curl: of the page, over HTTP/1.0, and slowly', async () => {
    const program = path.join(folder, 'asr.sh')
    await writeFile(program, codeOf('asr.sh'))
    const url = coordinator.url.replace('//', `//any:${token}@`)
    const { stdout } = await execa('sh', [program, CLIP], { env: { MORAG_API_BASE_URL: url } })
    assertSaid(spokenIn(stdout))
    const form = ['-F', `file=@${CLIP}`, `${url}/v1/audio/transcriptions`]
    for (const options of [['-0'], ['--limit-rate', '60k'], ['-0', '-F', 'stream=true']])
      assert.match(await curl([...options, ...form]), /John Dashwood/)
  })
})

it('nginx before it, with its own buffering and timeouts, cuts what may not begin early', async (t) => {
  const home = path.join(folder, 'nginx')
  await mkdir(home)
  const own = await startCoordinator(path.join(home, 'data'), home)
  t.after(() => own.signal('SIGKILL'))
  const url = await startNginx(t, home, own.url)
  const form = ['-F', `file=@${CLIP}`, `${url}/v1/audio/transcriptions`]
  const from = performance.now()
  const status = ['-o', path.join(home, 'text'), '-w', '%{http_code}', '-F', 'response_format=text']
  const text = curl([...status, ...form])
  const json = curl(form)
  const stream = curl(['-F', 'stream=true', ...form])
  assert.equal(await text, '504')
  assert.ok(performance.now() - from > 59_000)
  const late = startAgent(own.url, home, 'late')
  t.after(() => late.signal('SIGKILL'))
  assert.match(await json, /^ {2,}\{"text":"And Mr/)
  assertSaid((JSON.parse(await json) as { text: string }).text)
  assert.match(await stream, /^: waiting\n\n: waiting\n\n[^]*transcript\.text\.done/)
  const { jobs } = (await (await fetch(`${own.url}/api/v1/remote-jobs`)).json()) as {
    jobs: { status: string }[]
  }
  assert.deepEqual(jobs.map((job) => job.status).toSorted(), [
    'cancelled',
    'completed',
    'completed',
  ])
})

async function startNginx(t: TestContext, home: string, target: string): Promise<string> {
  const port = await freePort()
  const kinds = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = kinds.map((kind) => `${kind}_temp_path ${home}/${kind};`).join('\n')
  const config = path.join(home, 'nginx.conf')
  await writeFile(
    config,
    `${process.getuid?.() === 0 ? 'user root; ' : ''}daemon off; pid ${home}/pid; error_log stderr notice;
events {}
http {
  access_log off;
  ${temporary}
  server { listen 127.0.0.1:${port}; location / { proxy_pass ${target}; } }
}`,
  )
  const nginx = execa(clients.nginx, ['-c', config, '-e', 'stderr'], { reject: false, all: true })
  t.after(async () => {
    nginx.kill('SIGQUIT')
    await nginx
  })
  await says(nginx, /start worker process /)
  return `http://127.0.0.1:${port}`
}

/** Waits until a program writes that it is ready. */
async function says(program: Promise<unknown> & { all: Readable }, ready: RegExp): Promise<void> {
  const lines: string[] = []
  await new Promise<void>((resolve, reject) => {
    createInterface({ input: program.all }).on('line', (line) => {
      lines.push(line)
      if (ready.test(line)) resolve()
    })
    void program.then(() => reject(new Error(`It has ended:\n${lines.join('\n')}`)))
  })
}

async function curl(args: readonly string[]): Promise<string> {
  return (await execa('curl', ['-sS', ...args])).stdout
}

function codeOf(name: string): string {
  return snippetsOf('coordinator/docs/speech-apis.md').find((one) => one.name === name)!.code
}
