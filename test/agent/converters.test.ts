import assert from 'node:assert/strict'
import { chmod, mkdir, mkdtemp, readdir, symlink, writeFile } from 'node:fs/promises'
import { createServer, type AddressInfo } from 'node:net'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { Command } from 'commander'
import { startSettings } from '../../agent/settings/config.ts'
import { Converters } from '../../agent/converters/converters.ts'
import { ratioIn } from '../../agent/progress/ratio-in.ts'
import { filesOf } from '../../agent/converters/program-files.ts'
import { openEquipment } from '../../agent/equipment.ts'
import type { ConvertInput } from '../../agent/transcription/conversion.ts'
import { Slots } from '../../agent/gpu/slots.ts'
import { SETTINGS } from '../../agent/settings/table.ts'
import type { SandboxKind } from '../../agent/media/sandbox.ts'
import type { Progress } from '../../agent/progress/progress.ts'
import { ExpectedSilence } from '../../agent/progress/expected-silence.ts'
import { failureOf } from '../../agent/work/failure.ts'
import { addSettings } from '../../shared/settings.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const NONE = await Converters.open(
  { commands: { any: [process.execPath, '{input}'] }, timeoutMs: 1000 },
  { sandbox: 'auto', signal },
)
const noSandbox = NONE.lock.sandbox === null ? 'bubblewrap does not work here' : false

/** A converter that is a program of ours, and a file for it. */
async function scene(
  code: string,
  { sandbox = 'none', timeoutMs = 60_000 }: { sandbox?: SandboxKind; timeoutMs?: number } = {},
) {
  const root = await mkdtemp(path.join(folder, 'scene-'))
  const script = path.join(root, 'convert.mjs')
  const sourcePath = path.join(root, 'job', 'source.html')
  await mkdir(path.dirname(sourcePath))
  await Promise.all([writeFile(script, code), writeFile(sourcePath, '<h1>Notes</h1>')])
  const commands = { document: [process.execPath, script, '{input}'] }
  const converters = await Converters.open({ commands, timeoutMs }, { sandbox, signal })
  const slots = new Slots([{ index: 0, gpu: null }])
  const seen: Progress[] = []
  const convert = async (more: Partial<ConvertInput> = {}) =>
    await converters.convert(
      {
        jobId: 'a',
        sourcePath,
        filename: 'notes.html',
        contentType: 'document',
        taskOptions: {},
        workDir: path.dirname(sourcePath),
        sha256: 'known',
        signal,
        report: (progress) => void seen.push(progress),
        ...more,
      },
      slots,
    )
  return { root, script, sourcePath, converters, slots, seen, convert }
}

const TELL = `
  import { readFileSync, writeFileSync, readdirSync } from 'node:fs'
  const [input] = process.argv.slice(2)
  writeFileSync('left-behind', '')
  const { TMPDIR, MORAG_API_KEY = null } = process.env
  console.log(JSON.stringify({ text: readFileSync(input, 'utf8'), own: TMPDIR === process.cwd(), key: MORAG_API_KEY, all: readdirSync('.') }))`

describe('a converter', () => {
  for (const sandbox of ['none', 'auto'] as const)
    it(`makes the text of a file, in a folder of its own (sandbox ${sandbox})`, async () => {
      const { convert } = await scene(TELL, { sandbox })
      const { content, metadata, artifacts } = await convert()
      const told = { text: '<h1>Notes</h1>', own: true, key: null, all: ['left-behind'] }
      assert.deepEqual(JSON.parse(content), told)
      assert.deepEqual(metadata, {
        file_name: 'notes.html',
        file_size: 14,
        checksum: 'known',
        processor: 'node',
        warnings: [],
      })
      assert.deepEqual(artifacts, [])
    })

  it('tells how far it is by its lines, never going back, and may be silent in between', async () => {
    const code = `
      for (const line of ['loading', 'page 1 of 4', '50 %', '1/4', 'page 4 of 4']) console.error(line)
      console.log('text')`
    const { convert, seen } = await scene(code)
    const quiet = new ExpectedSilence()
    let quietMs = 0
    const report = (progress: Progress): void => {
      seen.push(progress)
      quietMs = Math.max(quietMs, quiet.leftMs)
    }
    await quiet.during(async () => await convert({ report }))
    const ratios = seen.map(({ stage, ratio }) => `${stage} ${ratio.toFixed(4)}`)
    assert.deepEqual(ratios, [
      'waiting 0.1500',
      'converting 0.1600',
      'converting 0.3625',
      'converting 0.5650',
      'converting 0.5650',
      'converting 0.9700',
    ])
    assert.ok(quietMs > 50_000, String(quietMs))
    assert.equal(quiet.leftMs, 0)
  })

  it('says that the options of speech and unknown ones are of no use to it, and that there is no text', async () => {
    const { convert } = await scene('')
    const taskOptions = {
      language: 'de',
      diarize: true,
      formats: ['srt'],
      colour: 'red',
      priority: 1,
    }
    const { content, metadata } = await convert({ taskOptions })
    assert.equal(content, '')
    assert.deepEqual(metadata['warnings'], [
      'Options for speech were ignored: diarize, formats.',
      "The unknown option 'colour' was ignored.",
      'node found no text in it: the result is empty.',
    ])
  })

  it('that fails says why, and pauses no slot: the file may be to blame', async () => {
    const { convert, slots } = await scene(`console.error('not a document'); process.exit(3)`)
    for (const jobId of ['a', 'b', 'c', 'd'])
      await assert.rejects(convert({ jobId }), {
        code: 'engine_failed',
        message: 'node ended with exit code 3: not a document',
      })
    assert.deepEqual(slots.paused, [])
    assert.equal(slots.free, 1)
  })

  it('that takes too long is stopped, for another try', async () => {
    const { convert } = await scene('setInterval(() => {}, 1000)', { timeoutMs: 200 })
    await assert.rejects(convert(), {
      code: 'engine_failed',
      message: /^node was stopped after 200ms/,
    })
  })

  it('that is not there is found missing at the start, and later costs no job', async () => {
    const commands = { document: ['no-such-program', '{input}'] }
    const opened = Converters.open({ commands, timeoutMs: 1 }, { sandbox: 'none', signal })
    const missing = {
      code: 'engine_missing',
      message: /Program 'no-such-program' was not found: install it.*--converter/,
    }
    await assert.rejects(opened, missing)
    const own = path.join(folder, 'own')
    await writeFile(own, '#!/bin/sh\n')
    await chmod(own, 0o755)
    const late = await Converters.open(
      { commands: { document: [own, '{input}'] }, timeoutMs: 1_000 },
      { sandbox: 'none', signal },
    )
    await chmod(own, 0o644)
    const { convert, slots } = await scene('')
    const input = { contentType: 'document' }
    await assert.rejects(
      convert({ ...input, report() {} }).then(
        async () => await late.convert({ ...BASE, sourcePath: own }, slots),
      ),
      { code: 'engine_missing' },
    )
  })
})

const BASE: ConvertInput = {
  jobId: 'a',
  sourcePath: '',
  filename: 'a',
  contentType: 'document',
  taskOptions: {},
  workDir: folder,
  signal,
  report() {},
}

describe('what an agent does its jobs with', () => {
  const equipment = async (args: string[]) => {
    const told: string[] = []
    const command = addSettings(new Command(), ...SETTINGS)
    const flags = command.parse(['--sandbox', 'none', ...args], { from: 'user' }).opts()
    const report = (_: unknown, text: string): void => void told.push(text)
    return { told, ...(await openEquipment(startSettings(flags), { signal, report })) }
  }

  it('is no engine where a converter is for all that is taken, also for speech', async () => {
    const own = [
      '--types',
      'audio,image',
      '--converter',
      'audio=node a {input}',
      '--converter',
      'image=node i {input}',
    ]
    const { speech, engine, capabilities } = await equipment(own)
    assert.deepEqual([speech, engine], [null, null])
    const none = { models: [], languages: null, features: [] }
    assert.deepEqual(capabilities, { engines: ['node'], ...none })
  })

  it('says so of a converter that no job comes for', async () => {
    const { told, converters } = await equipment([
      '--types',
      'image',
      '--converter',
      'image=node a {input}; document=node b {input}',
    ])
    assert.deepEqual(told, ['The converter for document is not used: --types does not name it.'])
    assert.deepEqual(converters.programs, [{ contentType: 'image', program: 'node' }])
  })

  it('gives a job of another type back, for an agent that has something for it', async () => {
    const { pipeline } = await equipment([
      '--types',
      'image',
      '--converter',
      'image=node a {input}',
    ])
    const error: unknown = await pipeline.convert(BASE).catch((thrown: unknown) => thrown)
    assert.deepEqual(failureOf(error, 1), {
      success: false,
      processingTime: 1,
      errorCode: 'unsupported_type',
      errorMessage: "This agent has nothing that makes text of 'document'.",
      retryable: true,
    })
  })
})

describe('a converter in a sandbox', { skip: noSandbox }, () => {
  it('sees its file and its program, no other file of ours, and no network', async (t) => {
    const { port } = await listening(t)
    const code = `
      import { readFileSync, writeFileSync, existsSync } from 'node:fs'
      import { connect } from 'node:net'
      const [input] = process.argv.slice(2)
      const secret = input.replace(/job.source.html$/, 'secret')
      let written = true
      try { writeFileSync(input, '') } catch { written = false }
      const reached = await new Promise((resolve) => {
        const socket = connect(${port}, '127.0.0.1')
        socket.on('connect', () => resolve(true)).on('error', () => resolve(false))
      })
      console.log(JSON.stringify({ read: readFileSync(input, 'utf8'), secret: existsSync(secret), written, reached }))
      process.exit()`
    const { convert, root } = await scene(code, { sandbox: 'bwrap' })
    await writeFile(path.join(root, 'secret'), 'key')
    const { content } = await convert()
    const nothing = { read: '<h1>Notes</h1>', secret: false, written: false, reached: false }
    assert.deepEqual(JSON.parse(content), nothing)
  })

  it('that takes too long is ended there, too', async () => {
    const code = 'setInterval(() => {}, 1000)'
    const { convert } = await scene(code, { sandbox: 'bwrap', timeoutMs: 300 })
    await assert.rejects(convert(), { code: 'engine_failed' })
  })

  it('may read what its own command names', async () => {
    const { root, script, sourcePath } = await scene('')
    const models = path.join(root, 'models')
    await mkdir(models)
    await writeFile(path.join(models, 'one'), '')
    await writeFile(
      script,
      `import { readdirSync } from 'node:fs'
      console.log(readdirSync(process.argv[2].slice('--models='.length)).join())`,
    )
    const commands = { document: [process.execPath, script, `--models=${models}`, '{input}'] }
    const settings = { commands, timeoutMs: 60_000 }
    const converters = await Converters.open(settings, { sandbox: 'bwrap', signal })
    const input = { ...BASE, sourcePath, workDir: path.dirname(sourcePath) }
    const { content } = await converters.convert(input, new Slots([{ index: 0, gpu: null }]))
    assert.equal(content, 'one\n')
  })
})

async function listening(t: TestContext): Promise<AddressInfo> {
  const server = createServer((socket) => socket.destroy())
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server.address() as AddressInfo
}

describe('what a program needs to see', () => {
  const executable = async (file: string, code: string): Promise<string> => {
    await mkdir(path.dirname(file), { recursive: true })
    await writeFile(file, code)
    await chmod(file, 0o755)
    return file
  }

  it('is the environment that a Python program is installed in, also by a link to it, and its Python', async () => {
    const root = await mkdtemp(path.join(folder, 'venv-'))
    const venv = path.join(root, 'share', 'tool')
    const python = await executable(path.join(root, 'python', 'bin', 'python3'), '')
    const program = await executable(path.join(venv, 'bin', 'tool'), `#!${venv}/bin/python\n`)
    await symlink(python, path.join(venv, 'bin', 'python'))
    await writeFile(path.join(venv, 'pyvenv.cfg'), '')
    const link = path.join(root, '.local', 'bin', 'tool')
    await mkdir(path.dirname(link), { recursive: true })
    await symlink(program, link)
    const base = path.join(root, 'python')
    const ofPython = [path.join(base, 'bin'), path.join(base, 'lib'), path.join(base, 'share')]
    assert.deepEqual(await filesOf(link, []), [link, venv, ...ofPython])
    assert.deepEqual(await filesOf(program, []), [venv, ...ofPython])
  })

  it('is a script alone and what runs it, not the folder that it lies in', async () => {
    const root = await mkdtemp(path.join(folder, 'script-'))
    const shell = await executable(path.join(root, 'shells', 'sh'), '')
    const script = await executable(path.join(root, 'morag', 'convert'), `#!${shell} -e\n`)
    assert.deepEqual(await filesOf(script, []), [script, shell])
  })

  it('is the packages of Node that it is one of', async () => {
    const root = await mkdtemp(path.join(folder, 'npm-'))
    const program = path.join(root, 'lib', 'node_modules', 'tool', 'cli.js')
    await executable(program, '#!/usr/bin/env -S no-such-node --flag\n')
    assert.deepEqual(await filesOf(program, []), [program, path.join(root, 'lib', 'node_modules')])
  })

  it('is no folder of a person’s other programs', async () => {
    const root = await mkdtemp(path.join(folder, 'home-'))
    const program = await executable(path.join(root, '.local', 'bin', 'tool'), '')
    const local = path.join(root, '.local')
    const seen = [program, path.join(local, 'bin'), path.join(local, 'lib')]
    assert.deepEqual(await filesOf(program, []), seen)
  })

  it('is what its command names by full paths, as far as that is there', async () => {
    const root = await mkdtemp(path.join(folder, 'named-'))
    const program = await executable(path.join(root, 'tool'), '')
    const args = [
      '/',
      '--out=/',
      'relative',
      `--models=${root}`,
      path.join(root, 'no-such'),
      program,
    ]
    assert.deepEqual(await filesOf(program, args), [program, root])
    assert.deepEqual(await readdir(root), ['tool'])
  })
})

describe('a line tells how far a program is', () => {
  for (const [line, ratio] of [
    ['42%', 0.42],
    ['Converting: 99.5 % done', 0.995],
    ['page 3 of 12', 0.25],
    ['[3/12] scan', 0.25],
    ['250 %', null],
    ['12 of 3', null],
    ['0/0', null],
    ['read /tmp/1/2', null],
    ['version 1.2/3.4', null],
    ['on 3/4/2026', null],
    ['loading', null],
  ] as const)
    it(line, () => assert.equal(ratioIn(line), ratio))
})
