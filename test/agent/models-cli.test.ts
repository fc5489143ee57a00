import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, readFile, writeFile } from 'node:fs/promises'
import { totalmem } from 'node:os'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { MODELS } from '../../agent/models/catalogue.ts'
import type { WebModel } from '../../agent/models/model.ts'
import { pullModel } from '../../agent/models/models.ts'
import { hostText, recommendedModel } from '../../agent/models/recommended.ts'
import { PARAKEET } from '../../agent/models/sherpa-models.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { CT2, half, putBase, startMirror, type Mirror } from './model-mirror.ts'
import { programCode } from '../../scripts/processes.ts'

const folder = tempFolder()
const BASE = 'ctranslate2/base'

interface Place {
  dir: string
  mirror: Mirror
  run: ReturnType<typeof runner>
}

/** The program as a user runs it, with a folder of models and a mirror of its own. */
async function setUp(t: TestContext): Promise<Place> {
  const mirror = await startMirror(t)
  const dir = await mkdtemp(path.join(folder, 'models-'))
  return { dir, mirror, run: runner(dir, mirror.url) }
}

function runner(dir: string, mirror: string) {
  const all = { PATH: process.env['PATH'] ?? '', HOME: folder, MORAG_MODELS_DIR: dir }
  return (args: string[], env: Record<string, string> = { MORAG_MODELS_MIRROR: mirror }) =>
    execa(process.execPath, [...programCode('agent'), 'models', ...args], {
      env: { ...all, ...env },
      extendEnv: false,
      reject: false,
      stdin: 'ignore',
    })
}

describe('models pull', () => {
  it('gets what is named, tells how it goes, and gets nothing twice', async (t) => {
    const { dir, mirror, run } = await setUp(t)
    const body = putBase(mirror)
    const first = await run(['pull', BASE])
    assert.equal(first.exitCode, 0, first.stderr)
    assert.match(first.stderr, /^Getting the model ctranslate2\/base \(127\.0\.0\.1:\d+, about 148/)
    assert.match(first.stderr, /base: model\.bin, 525 kB of 525 kB, 100 %/)
    assert.match(first.stderr, /The model ctranslate2\/base is ready$/)
    assert.deepEqual(await readFile(path.join(dir, BASE, 'model.bin')), body)
    const asked = mirror.requests.length
    const second = await run(['pull', BASE])
    assert.match(second.stderr, /^ctranslate2\/base is already installed$/)
    assert.equal(mirror.requests.length, asked)
  })

  it('gets the one that is recommended for this machine and its programs', async (t) => {
    const { dir, mirror, run } = await setUp(t)
    const bin = await mkdtemp(path.join(folder, 'bin-'))
    const program = path.join(bin, 'whisper-ctranslate2')
    await writeFile(program, `#!${process.execPath}\nconsole.log('whisper-ctranslate2 0.5.8')`)
    await chmod(program, 0o755)
    const env = { MORAG_MODELS_MIRROR: mirror.url, PATH: bin }
    const host = { gpu: null, memoryMb: totalmem() / 1024 ** 2, engines: ['faster-whisper'] }
    const name = recommendedModel(host)
    const model = MODELS.find((one) => one.name === name) as WebModel
    for (const { url } of model.files) mirror.put(new URL(url!).pathname, Buffer.from('{}'))
    const { stderr, exitCode } = await run(['pull', 'recommended'], env)
    assert.equal(exitCode, 0, stderr)
    assert.ok(stderr.startsWith(`Recommended here (${hostText(host)}): ${name}, Whisper `), stderr)
    assert.ok((await readdir(path.join(dir, name!))).includes('model.bin'))
  })

  it('takes no other files for those of Parakeet', async (t) => {
    const { dir, mirror } = await setUp(t)
    const { files } = MODELS.find(({ name }) => name === PARAKEET) as WebModel
    for (const { url } of files) mirror.put(new URL(url!).pathname, Buffer.from('another'))
    const source = { mirror: mirror.url, offline: false, token: null }
    const { signal } = new AbortController()
    await assert.rejects(pullModel(PARAKEET, { dir, signal, source }), {
      code: 'model_missing',
      message: /encoder\.int8\.onnx came with the digest \w+, not acfc2b44/,
    })
    assert.deepEqual(await readdir(path.join(dir, 'parakeet')), [])
  })

  it('keeps what is there at Ctrl-C, and goes on with it', async (t) => {
    const { dir, mirror, run } = await setUp(t)
    const body = putBase(mirror)
    mirror.next(`${CT2}/model.bin`, half(body, 'held'))
    const child = run(['pull', BASE])
    for await (const line of child.iterable({ from: 'stderr' }))
      if (line.includes('50 %')) child.kill('SIGINT')
    const { exitCode } = await child
    assert.equal(exitCode, 130)
    const left = path.join(dir, 'ctranslate2', '.base.part')
    assert.deepEqual((await readdir(left)).toSorted(), ['model.bin.part', 'model.bin.part.json'])
    const again = await run(['pull', BASE])
    assert.equal(again.exitCode, 0, again.stderr)
    assert.equal(mirror.asked(`${CT2}/model.bin`)[1]?.headers.range, `bytes=${body.length / 2}-`)
    assert.deepEqual(await readFile(path.join(dir, BASE, 'model.bin')), body)
    assert.deepEqual(await readdir(path.join(dir, 'ctranslate2')), ['base'])
  })

  it('goes on after a process that was killed', async (t) => {
    const { dir, mirror, run } = await setUp(t)
    const body = putBase(mirror)
    mirror.next(`${CT2}/model.bin`, half(body, 'held'))
    const child = run(['pull', BASE])
    for await (const line of child.iterable({ from: 'stderr' }))
      if (line.includes('50 %')) child.kill('SIGKILL')
    await child
    const again = await run(['pull', BASE])
    assert.equal(again.exitCode, 0, again.stderr)
    assert.match(mirror.asked(`${CT2}/model.bin`)[1]?.headers.range ?? '', /^bytes=[1-9]/)
    assert.deepEqual(await readFile(path.join(dir, BASE, 'model.bin')), body)
    assert.deepEqual(await readdir(path.join(dir, 'ctranslate2')), ['base'])
  })

  it('lets one of two processes work, and the other find what it made', async (t) => {
    const { dir, mirror, run } = await setUp(t)
    const body = putBase(mirror)
    let letGo = (): void => undefined
    mirror.next(`${CT2}/model.bin`, (_, response) => {
      response.writeHead(200, { 'content-length': body.length })
      letGo = () => response.end(body)
    })
    const first = run(['pull', BASE])
    for await (const line of first.iterable({ from: 'stderr' })) {
      if (!line.startsWith('Getting')) continue
      const second = run(['pull', BASE])
      for await (const other of second.iterable({ from: 'stderr' })) {
        if (other.startsWith('Another process')) letGo()
      }
      assert.equal((await second).exitCode, 0)
    }
    assert.equal((await first).exitCode, 0)
    assert.equal(mirror.asked(`${CT2}/model.bin`).length, 1)
    assert.deepEqual(await readdir(path.join(dir, 'ctranslate2')), ['base'])
  })

  it('says what is wrong with a name, a mirror and a wish to be offline', async (t) => {
    const { run } = await setUp(t)
    const cases: [string[], Record<string, string>, number, RegExp][] = [
      [['remove', '../../etc'], {}, 2, /^Unknown model '\.\.\/\.\.\/etc'/],
      [['pull', BASE, '--mirror', 'ftp://x'], {}, 2, /^'ftp:\/\/x' is not a mirror's URL/],
      [['pull', BASE], { MORAG_OFFLINE: 'maybe' }, 2, /^MORAG_OFFLINE is 'maybe': write 1 or 0/],
      [['pull', BASE, '--offline'], { MORAG_OFFLINE: '0' }, 1, /the network is not to be used/],
    ]
    const results = await Promise.all(cases.map(([args, env]) => run(args, env)))
    for (const [i, [args, , code, said]] of cases.entries()) {
      assert.equal(results[i]?.exitCode, code, args.join(' '))
      assert.match(String(results[i]?.stderr), said)
    }
  })
})

describe('models list, verify and remove', () => {
  it('show, check and remove what is there, also what was copied by hand', async (t) => {
    const { dir, mirror, run } = await setUp(t)
    putBase(mirror)
    const source = { mirror: mirror.url, offline: false, token: null }
    await pullModel(BASE, { dir, signal: new AbortController().signal, source })
    await mkdir(path.join(dir, 'ggml'))
    await writeFile(path.join(dir, 'ggml', 'ggml-own.bin'), 'weights')
    await writeFile(path.join(dir, 'ggml-beside.bin'), 'weights')

    const { stdout } = await run(['list'])
    assert.match(
      stdout,
      /^Installed:\n {2}ctranslate2\/base .*\n {2}ggml\/beside .* copied .*\n {2}ggml\/own .* copied here by hand\n/,
    )
    assert.match(stdout, /\nAvailable .*\n(.*\n)* {2}ggml\/large-v3-turbo +1\.6 GB {2}Whisper/)
    assert.doesNotMatch(stdout, /ggml\/large-v1/)
    const { models } = JSON.parse((await run(['list', '--all', '--json'])).stdout) as {
      models: { name: string; state: string }[]
    }
    const here = models.filter(({ state }) => state === 'ready').map(({ name }) => name)
    assert.deepEqual(here, [BASE, 'ggml/beside', 'ggml/own'])
    assert.ok(models.some(({ name }) => name === 'ggml/large-v1'))

    const right = await run(['verify'])
    assert.equal(right.exitCode, 0)
    assert.match(
      right.stdout,
      /^ctranslate2\/base: ready\nggml\/beside: installed, .*\nggml\/own: installed, but not by models pull/,
    )
    await writeFile(path.join(dir, BASE, 'config.json'), '{}')
    const wrong = await run(['verify', '--json', BASE])
    assert.equal(wrong.exitCode, 1)
    assert.match(wrong.stderr, /^Not ready: ctranslate2\/base\. Get them with: .*pull ctranslate2/)
    assert.equal((JSON.parse(wrong.stdout) as { ok: boolean }).ok, false)

    assert.equal((await run(['remove', BASE, 'ggml/own', 'ggml/beside'])).exitCode, 0)
    assert.deepEqual(await readdir(path.join(dir, 'ctranslate2')), [])
    assert.deepEqual(await readdir(path.join(dir, 'ggml')), [])
    assert.deepEqual(await readdir(dir), ['ctranslate2', 'ggml'])
    const [gone, none] = await Promise.all([run(['remove', BASE]), run(['verify'])])
    assert.deepEqual([gone.exitCode, none.exitCode], [1, 1])
    assert.match(gone.stderr, /^There is no model ctranslate2\/base in /)
    assert.match(none.stderr, /^No models are installed in /)
  })
})
