import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { ensureModel, pullModel } from '../../agent/models/models.ts'
import type { ModelSource } from '../../agent/models/config.ts'
import type { PullOptions } from '../../agent/models/pull-options.ts'
import { removeModel, verifyModel } from '../../agent/models/status.ts'
import { pullFromWeb } from '../../agent/models/web-pull.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import {
  CT2,
  etagOf,
  half,
  modelOf,
  newBytes,
  putBase,
  sha256,
  startMirror,
  TEST_FILE,
  type Mirror,
} from './model-mirror.ts'

const BASE = 'ctranslate2/base'
const folder = tempFolder()

async function optionsFor(
  mirror: Mirror,
  more: Partial<PullOptions> & { token?: string | null } = {},
): Promise<PullOptions> {
  const { token = null, ...rest } = more
  const source: ModelSource = { mirror: mirror.url, offline: false, token }
  return {
    dir: await mkdtemp(path.join(folder, 'models-')),
    signal: new AbortController().signal,
    source,
    patience: { fruitless: 3, retryMinMs: 1 },
    ...rest,
  }
}

const missing = (pattern: RegExp) => (error: unknown) => {
  assert.ok(error instanceof AppError, String(error))
  assert.equal(error.code, 'model_missing')
  assert.match(error.message, pattern)
  return true
}

const place = ({ dir }: PullOptions): string => path.join(dir, 'ggml', 'ggml-test.bin')
/** What each request for the bytes asked for: `whole`, or `rest`. A cut may take some of what was under way with it. */
const asked = (mirror: Mirror): string[] =>
  mirror.asked(TEST_FILE).map(({ headers: { range } }) => {
    if (range === undefined) return 'whole'
    return /^bytes=[1-9]\d*-$/.test(range) ? 'rest' : range
  })

describe('a download', () => {
  it('goes where it is sent, and the token stays at home', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    const options = await optionsFor(mirror, { token: 'hf_secret' })
    await pullFromWeb(modelOf(body), options)
    assert.deepEqual(await readFile(place(options)), body)
    assert.deepEqual(await readdir(path.dirname(place(options))), ['ggml-test.bin'])
    const keys = mirror.requests.map(({ at, headers }) => [at, headers.authorization])
    assert.deepEqual(keys, [
      ['home', 'Bearer hf_secret'],
      ['store', undefined],
    ])
  })

  it('goes on where it was cut', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    mirror.next(TEST_FILE, half(body))
    const options = await optionsFor(mirror)
    await pullFromWeb(modelOf(body), options)
    assert.deepEqual(await readFile(place(options)), body)
    assert.deepEqual(asked(mirror), ['whole', 'rest'])
    assert.equal(mirror.asked(TEST_FILE)[1]?.headers['if-range'], etagOf(body))
  })

  it('keeps what is there when it is stopped, and goes on with it the next time', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    mirror.next(TEST_FILE, half(body, 'held'))
    const stop = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const options = await optionsFor(mirror, {
      signal: stop.signal,
      onBytes: (_, received) => received === body.length / 2 && stop.abort(reason),
    })
    await assert.rejects(pullFromWeb(modelOf(body), options), (error) => error === reason)
    const kept = path.join(options.dir, 'ggml', '.ggml-test.bin.part', 'ggml-test.bin.part')
    assert.equal((await stat(kept)).size, body.length / 2)
    await pullFromWeb(modelOf(body), { ...options, signal: new AbortController().signal })
    assert.deepEqual(await readFile(place(options)), body)
    assert.deepEqual(asked(mirror), ['whole', 'rest'])
  })

  it('starts over when the file has changed meanwhile', async (t) => {
    const mirror = await startMirror(t)
    const [before, after] = [newBytes(), newBytes()]
    mirror.put(TEST_FILE, after)
    mirror.next(TEST_FILE, half(before))
    const options = await optionsFor(mirror)
    await pullFromWeb(modelOf(after), options)
    assert.deepEqual(await readFile(place(options)), after)
    assert.deepEqual(asked(mirror), ['whole', 'rest'])
  })

  it('starts over at a server that gives no ranges', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    mirror.next(TEST_FILE, half(body))
    mirror.next(TEST_FILE, (_, response) => response.writeHead(200).end(body))
    const options = await optionsFor(mirror)
    await pullFromWeb(modelOf(body), options)
    assert.deepEqual(await readFile(place(options)), body)
  })

  it('starts over when the rest is of another file, whatever the server was asked', async (t) => {
    const mirror = await startMirror(t)
    const [before, after] = [newBytes(), Buffer.concat([newBytes(), newBytes()])]
    mirror.put(TEST_FILE, after)
    mirror.next(TEST_FILE, half(before))
    mirror.next(TEST_FILE, ({ headers }, response) => {
      const from = Number(headers.range?.match(/\d+/)?.[0])
      const range = `bytes ${from}-${after.length - 1}/${after.length}`
      response.writeHead(206, { 'content-range': range }).end(after.subarray(from))
    })
    const options = await optionsFor(mirror)
    await pullFromWeb(modelOf(after), options)
    assert.deepEqual(await readFile(place(options)), after)
    assert.deepEqual(asked(mirror), ['whole', 'rest', 'whole'])
  })

  it('starts over where the range cannot be had, and where an etag does not mean the same bytes', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    mirror.next(TEST_FILE, half(body))
    mirror.next(TEST_FILE, (_, response) => response.writeHead(416).end())
    mirror.next(TEST_FILE, (_, response) => {
      response.writeHead(200, { etag: 'W/"weak"', 'content-length': body.length })
      response.write(body.subarray(0, 1000), () => response.socket?.end())
    })
    const options = await optionsFor(mirror, {
      patience: { fruitless: 6, retryMinMs: 1 },
    })
    await pullFromWeb(modelOf(body), options)
    assert.deepEqual(await readFile(place(options)), body)
    assert.deepEqual(asked(mirror), ['whole', 'rest', 'whole', 'whole'])
  })

  it('is tried again while the server is busy, and given up when nothing comes', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    mirror.next(TEST_FILE, (_, response) => response.writeHead(503).end())
    await pullFromWeb(modelOf(body), await optionsFor(mirror))
    assert.equal(mirror.asked(TEST_FILE).length, 2)

    for (let i = 0; i < 3; i++) {
      mirror.next(`${CT2}/model.bin`, (_, response) => response.writeHead(502).end())
    }
    putBase(mirror)
    const options = await optionsFor(mirror)
    await assert.rejects(pullModel(BASE, options), missing(/answered 502 .*mirror.*Or copy/))
    assert.deepEqual(await readdir(path.join(options.dir, 'ctranslate2')), [])
  })

  it('is given up when the server falls silent', async (t) => {
    const mirror = await startMirror(t)
    putBase(mirror)
    for (let i = 0; i < 3; i++) mirror.next(`${CT2}/model.bin`, () => {})
    const options = await optionsFor(mirror, { idleMs: 50 })
    await assert.rejects(pullModel(BASE, options), missing(/it stopped answering/))
    assert.deepEqual(await readdir(path.join(options.dir, 'ctranslate2')), [])
  })

  it('tells how many bytes of how many are there', async (t) => {
    const mirror = await startMirror(t)
    const body = newBytes()
    mirror.put(TEST_FILE, body)
    const told: [string, number, number | null][] = []
    await pullFromWeb(
      modelOf(body),
      await optionsFor(mirror, { onBytes: (...of) => told.push(of) }),
    )
    assert.deepEqual(told[0], ['ggml-test.bin', 0, body.length])
    assert.deepEqual(told.at(-1), ['ggml-test.bin', body.length, body.length])
  })

  it('does not begin when the disk has no room for it', async (t) => {
    const mirror = await startMirror(t)
    putBase(mirror)
    const options = await optionsFor(mirror, { freeBytes: () => Promise.resolve(60_000_000) })
    await assert.rejects(pullModel(BASE, options), (error: AppError) => {
      assert.equal(error.code, 'no_space')
      assert.match(
        error.message,
        /^The download needs 67\.6 MB in '.*', but only 60\.0 MB are free: make room, or choose another --models-dir\.$/,
      )
      return true
    })
  })
})

describe('a digest', () => {
  it('of our list that is not met leaves nothing', async (t) => {
    const mirror = await startMirror(t)
    mirror.put('/ggerganov/whisper.cpp/resolve/main/ggml-tiny.bin', newBytes())
    const options = await optionsFor(mirror)
    await assert.rejects(
      pullModel('ggml/tiny', options),
      missing(/digest \w{40}, not bd577a113a864445d4c299885e0cb97d4ba92b5f \(sha1\)\. Nothing was/),
    )
    assert.deepEqual(await readdir(path.join(options.dir, 'ggml')), [])
  })

  it('that the server tells is compared, too', async (t) => {
    const mirror = await startMirror(t)
    mirror.tellsDigests = true
    const body = putBase(mirror)
    const wrong = Buffer.from(body)
    wrong[1000] = (wrong[1000] ?? 0) ^ 1
    mirror.next(`${CT2}/model.bin`, (_, response) => response.writeHead(200).end(wrong))
    const options = await optionsFor(mirror)
    await assert.rejects(pullModel(BASE, options), missing(new RegExp(`not ${sha256(body)}`)))
    assert.deepEqual(await readdir(path.join(options.dir, 'ctranslate2')), [])
    await pullModel(BASE, options)
    assert.equal((await verifyModel(BASE, options)).state, 'ready')
  })

  it('that is not published is recorded at the first pull and checked ever after', async (t) => {
    const mirror = await startMirror(t)
    const body = putBase(mirror)
    const options = await optionsFor(mirror)
    const model = path.join(await pullModel(BASE, options), 'model.bin')
    assert.equal(await readFile(`${model}.sha256`, 'utf8'), `${sha256(body)}  model.bin\n`)
    const { state, checked } = await verifyModel(BASE, options)
    assert.deepEqual([state, checked], ['ready', true])

    const damaged = Buffer.from(body)
    damaged[7] = (damaged[7] ?? 0) ^ 1
    await writeFile(model, damaged)
    const found = await verifyModel(BASE, options)
    assert.equal(found.state, 'damaged')
    assert.match(found.problem ?? '', /model\.bin' does not have the digest it should/)

    const other = putBase(mirror)
    await assert.rejects(pullModel(BASE, options), missing(/first run: morag-agent models remove/))
    assert.deepEqual(await readFile(model), damaged)
    await removeModel(BASE, options)
    await pullModel(BASE, options)
    assert.deepEqual(await readFile(model), other)
  })
})

describe('pullModel', () => {
  it('gets the files that a repository has of those that a model may have', async (t) => {
    const mirror = await startMirror(t)
    putBase(mirror)
    const options = await optionsFor(mirror)
    const folder = await pullModel(BASE, options)
    assert.equal(folder, path.join(options.dir, 'ctranslate2', 'base'))
    const files = (await readdir(folder)).filter((name) => !name.endsWith('.sha256'))
    assert.deepEqual(files, ['config.json', 'model.bin', 'tokenizer.json', 'vocabulary.txt'])
  })

  it('names the file that a repository lacks, and installs nothing', async (t) => {
    const mirror = await startMirror(t)
    mirror.put(`${CT2}/model.bin`, newBytes())
    const options = await optionsFor(mirror)
    await assert.rejects(pullModel(BASE, options), missing(/has no .*\/config\.json/))
    for (const name of ['config.json', 'tokenizer.json'])
      mirror.put(`${CT2}/${name}`, Buffer.from('{}'))
    await assert.rejects(
      pullModel(BASE, options),
      missing(/lacks vocabulary\.json or vocabulary\.txt/),
    )
    await assert.rejects(stat(path.join(options.dir, BASE)), { code: 'ENOENT' })
    putBase(mirror)
    await pullModel(BASE, options)
    assert.equal((await verifyModel(BASE, options)).state, 'ready')
  })

  it('says how to get a model that is not for everyone', async (t) => {
    const mirror = await startMirror(t)
    putBase(mirror)
    for (const token of [null, 'hf_old']) {
      mirror.next(`${CT2}/model.bin`, (_, response) => response.writeHead(401).end())
      await assert.rejects(
        pullModel(BASE, await optionsFor(mirror, { token })),
        missing(token === null ? /\(401\): accept .* set HF_TOKEN/ : /HF_TOKEN is refused/),
      )
    }
    assert.equal(mirror.asked(`${CT2}/model.bin`).length, 2)
  })

  it('takes no web page for a model, and follows no redirect to elsewhere than the web', async (t) => {
    const mirror = await startMirror(t)
    putBase(mirror)
    mirror.next(`${CT2}/model.bin`, (_, response) =>
      response.writeHead(200, { 'content-type': 'text/html' }).end('<p>Log in</p>'),
    )
    await assert.rejects(
      pullModel(BASE, await optionsFor(mirror)),
      missing(/a web page came instead of the file/),
    )
    mirror.next(`${CT2}/model.bin`, (_, response) =>
      response.writeHead(302, { location: 'file:///etc/passwd' }).end(),
    )
    await assert.rejects(pullModel(BASE, await optionsFor(mirror)), missing(/not safe/))
  })

  it('makes no request when offline, nor for what is there', async (t) => {
    const mirror = await startMirror(t)
    putBase(mirror)
    const options = await optionsFor(mirror)
    const offline = { ...options, offline: true }
    await assert.rejects(
      ensureModel(BASE, offline),
      missing(/ctranslate2\/base is not in .*--offline, MORAG_OFFLINE.*Or copy the folder/),
    )
    await assert.rejects(ensureModel('silero-vad', offline), missing(/silero-vad is not in/))
    assert.deepEqual(mirror.requests, [])
    const there = await ensureModel(BASE, options)
    const before = mirror.requests.length
    assert.equal(await ensureModel(BASE, offline), there)
    assert.equal(mirror.requests.length, before)
  })

  it('gets a model once when it is wanted several times at once', async (t) => {
    const mirror = await startMirror(t)
    const body = putBase(mirror)
    const options = await optionsFor(mirror)
    await Promise.all([1, 2, 3].map(() => pullModel(BASE, options)))
    assert.equal(mirror.asked(`${CT2}/model.bin`).length, 1)
    assert.deepEqual(await readdir(path.join(options.dir, 'ctranslate2')), ['base'])
    assert.deepEqual(await readFile(path.join(options.dir, BASE, 'model.bin')), body)
  })

  it('replaces a folder that is not whole', async (t) => {
    const mirror = await startMirror(t)
    const body = putBase(mirror)
    const options = await optionsFor(mirror)
    await mkdir(path.join(options.dir, BASE), { recursive: true })
    await writeFile(path.join(options.dir, BASE, 'config.json'), '{}')
    assert.equal((await verifyModel(BASE, options)).state, 'damaged')
    await ensureModel(BASE, options)
    assert.deepEqual(await readFile(path.join(options.dir, BASE, 'model.bin')), body)
    assert.deepEqual(await readdir(path.join(options.dir, 'ctranslate2')), ['base'])
  })

  it('refuses what no source has, unless it is there', async (t) => {
    const options = await optionsFor(await startMirror(t))
    await assert.rejects(pullModel('ggml/my-own', options), (error: AppError) => {
      assert.equal(error.code, 'usage')
      assert.match(error.message, /Unknown model 'ggml\/my-own'.*models list --all/)
      return true
    })
    const file = path.join(options.dir, 'ggml', 'ggml-my-own.bin')
    await mkdir(path.dirname(file))
    await writeFile(file, 'weights')
    assert.equal(await ensureModel('ggml/my-own', options), file)
  })
})
