import assert from 'node:assert/strict'
import { cp, mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { ensureModel, pullModel } from '../../agent/models/models.ts'
import { MODELS } from '../../agent/models/catalogue.ts'
import { listModels, verifyModel } from '../../agent/models/status.ts'
import type { FetchPackage } from '../../agent/process/npm-package.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const VAD = 'silero-vad'
const FILE = 'silero_vad_v6.onnx'
const signal = new AbortController().signal
const folder = tempFolder()
let count = 0

/** A new folder of models. */
async function newDir(): Promise<string> {
  const dir = path.join(folder, String(count++))
  await mkdir(dir)
  return dir
}

/** The real package's file, pulled once through npm. */
const real = path.join(folder, 'real')
const lines: string[] = []
await pullModel(VAD, { dir: real, signal, onProgress: (line) => lines.push(line) })

/** Brings the real file without npm. */
const bring: FetchPackage = (_spec, into) =>
  cp(path.join(real, VAD, FILE), path.join(into, 'dist', FILE))
const never: FetchPackage = () => Promise.reject(new Error('the network was used'))

describe('pullModel', () => {
  it('gets the exact files from npm and leaves nothing else', async () => {
    assert.deepEqual(await readdir(real), [VAD])
    assert.deepEqual(await readdir(path.join(real, VAD)), [FILE])
    assert.equal((await verifyModel(VAD, { dir: real })).state, 'ready')
    assert.match(lines[0] ?? '', /silero-vad.*@ricky0123\/vad-web@0\.0\.31.*MB/)
    assert.match(lines.at(-1) ?? '', /ready/)
  })

  it('may run several times at once', async () => {
    const dir = await newDir()
    await Promise.all([1, 2, 3, 4].map(() => pullModel(VAD, { dir, signal, fetch: bring })))
    assert.deepEqual(await readdir(dir), [VAD])
    assert.equal((await verifyModel(VAD, { dir })).state, 'ready')
  })

  it('replaces a damaged model, also several times at once', async () => {
    const dir = await newDir()
    await mkdir(path.join(dir, VAD))
    await writeFile(path.join(dir, VAD, FILE), 'damaged')
    await Promise.all([1, 2, 3].map(() => pullModel(VAD, { dir, signal, fetch: bring })))
    assert.deepEqual(await readdir(dir), [VAD])
    assert.equal((await verifyModel(VAD, { dir })).state, 'ready')
  })

  it('refuses a package with other content and leaves nothing', async () => {
    const dir = await newDir()
    const fetch: FetchPackage = async (_spec, into) => {
      await mkdir(path.join(into, 'dist'))
      await writeFile(path.join(into, 'dist', FILE), 'evil')
    }
    await assert.rejects(pullModel(VAD, { dir, signal, fetch }), (error: AppError) => {
      assert.equal(error.code, 'model_missing')
      assert.match(error.message, /has 4 bytes/)
      return true
    })
    assert.deepEqual(await readdir(dir), [])
  })

  it('says what helps when npm cannot reach its registry', async () => {
    const dir = await newDir()
    const saved = process.env['npm_config_registry']
    process.env['npm_config_registry'] = 'http://127.0.0.1:9/'
    try {
      await assert.rejects(pullModel(VAD, { dir, signal }), (error: AppError) => {
        assert.equal(error.code, 'model_missing')
        assert.match(error.message, /silero-vad.*ECONNREFUSED.*npm registry.*copy the folder/)
        return true
      })
    } finally {
      if (saved === undefined) delete process.env['npm_config_registry']
      else process.env['npm_config_registry'] = saved
    }
    assert.deepEqual(await readdir(dir), [])
  })

  it('stops with the reason of the signal and leaves nothing', async () => {
    const dir = await newDir()
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const fetch: FetchPackage = (spec, into, stop) => {
      controller.abort(reason)
      return bring(spec, into, stop)
    }
    await assert.rejects(
      pullModel(VAD, { dir, signal: controller.signal, fetch }),
      (error) => error === reason,
    )
    assert.deepEqual(await readdir(dir), [])
  })

  it('refuses a name that is none, and lists those that are', async () => {
    await assert.rejects(
      pullModel('../x', { dir: folder, signal, fetch: never }),
      (error: AppError) => error.code === 'usage' && error.message.includes('moonshine-tiny'),
    )
  })
})

describe('ensureModel', () => {
  it('uses no network when the model is there', async () => {
    assert.equal(await ensureModel(VAD, { dir: real, signal, fetch: never }), path.join(real, VAD))
  })

  it('gets a model again when one byte of it is wrong', async () => {
    const dir = await newDir()
    await cp(real, dir, { recursive: true })
    const file = path.join(dir, VAD, FILE)
    const bytes = await readFile(file)
    bytes[1000] = (bytes[1000] ?? 0) ^ 1
    await writeFile(file, bytes)
    const { state, problem } = await verifyModel(VAD, { dir })
    assert.equal(state, 'damaged')
    assert.match(problem ?? '', /digest/)
    await ensureModel(VAD, { dir, signal, fetch: bring })
    assert.equal((await verifyModel(VAD, { dir })).state, 'ready')
  })
})

describe('listModels', () => {
  it('names every model and what is there of it', async () => {
    const list = await listModels(real)
    const ready = list.filter(({ state }) => state === 'ready').map(({ name }) => name)
    assert.deepEqual(ready, [VAD])
    assert.equal(list.length, MODELS.length)
  })

  it('finds nothing where there is no folder', async () => {
    const list = await listModels(path.join(folder, 'nowhere'))
    assert.ok(list.every(({ state }) => state === 'missing'))
  })
})
