import assert from 'node:assert/strict'
import { chmod, mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { openOutput, writeOutput } from '../../agent/output.ts'
import { programCode } from '../../scripts/processes.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { modelsDir } from '../../agent/paths.ts'
import { CLIPS } from './fixtures.ts'

const root = tempFolder()
let folders = 0
async function newFolder(): Promise<string> {
  const folder = path.join(root, String((folders += 1)))
  await mkdir(folder)
  return folder
}

describe('the output of a transcript', () => {
  it('in a folder has the name of the recording, and the form as its extension', async () => {
    const dir = await newFolder()
    const { file, form } = await openOutput(dir, undefined, '/a/talk.one.mp3')
    assert.deepEqual([file, form], [path.join(dir, 'talk.one.md'), 'md'])
    assert.deepEqual(await openOutput(dir, 'srt', 'talk.mp3'), {
      file: path.join(dir, 'talk.srt'),
      form: 'srt',
    })
  })

  for (const [output, format, form] of [
    ['x.srt', undefined, 'srt'],
    ['x.VTT', undefined, 'vtt'],
    ['x.json', 'json', 'json'],
    ['x.text', undefined, 'md'],
    ['x', 'txt', 'txt'],
    ['x.mp3.out', 'vtt', 'vtt'],
  ] as const) {
    it(`as ${output} with ${format ?? 'no'} format is ${form}`, async () => {
      const dir = await newFolder()
      const file = path.join(dir, output)
      assert.deepEqual(await openOutput(file, format, 'talk.mp3'), { file, form })
    })
  }

  it('goes to standard output where no file is named', async () => {
    assert.deepEqual(await openOutput(undefined, undefined, 'a'), { file: null, form: 'md' })
    assert.deepEqual(await openOutput('-', 'srt', 'a'), { file: null, form: 'srt' })
  })

  it('is refused where extension and format contradict each other', async () => {
    await assert.rejects(openOutput('x.srt', 'vtt', 'a'), {
      code: 'usage',
      message: '--output x.srt and --format vtt contradict each other: leave one of them out.',
    })
  })

  it('is refused where nothing can be written', async () => {
    const dir = await newFolder()
    await writeFile(path.join(dir, 'file'), '')
    await mkdir(path.join(dir, 'talk.md'))
    const clip = path.join(dir, 'clip.md')
    await writeFile(clip, 'sound')
    for (const [output, source] of [
      [path.join(dir, 'nowhere', 'x.srt'), 'a'],
      [path.join(dir, 'file', 'x.srt'), 'a'],
      [dir, 'talk.mp3'],
      [clip, clip],
    ] as const) {
      await assert.rejects(openOutput(output, undefined, source), {
        code: 'usage',
        message: /cannot be written \(--output\)/,
      })
    }
  })

  it('replaces a file as a whole, and writes to what is none', async () => {
    const dir = await newFolder()
    const file = path.join(dir, 'x.txt')
    await writeFile(file, 'before')
    await writeOutput(await openOutput(file, undefined, 'a'), 'after')
    assert.deepEqual([await readFile(file, 'utf8'), await readdir(dir)], ['after', ['x.txt']])
    await writeOutput(await openOutput('/dev/null', 'txt', 'a'), 'nothing')
  })

  it('that cannot be written in the end is kept elsewhere, and said to be', async (t: TestContext) => {
    const dir = await newFolder()
    const output = await openOutput(path.join(dir, 'x.srt'), undefined, 'a')
    await rm(dir, { recursive: true })
    const error: unknown = await writeOutput(output, 'words').catch((thrown: unknown) => thrown)
    assert.ok(error instanceof AppError)
    assert.equal(error.code, 'internal')
    const kept = /The transcript is in (\S+) instead\.$/.exec(error.message)?.[1] ?? ''
    t.after(() => rm(path.dirname(kept), { recursive: true, force: true }))
    assert.equal(path.basename(kept), 'x.srt')
    assert.equal(await readFile(kept, 'utf8'), 'words')
  })
})

describe('transcribe', () => {
  async function transcribe(cwd: string, ...args: string[]) {
    const program = path.join(cwd, 'engine')
    await writeFile(program, `#!/bin/sh\ntouch '${cwd}/begun'\necho 'hello world'\n`)
    await chmod(program, 0o755)
    const engine = ['--engine', 'command', '--engine-command', `${program} {wav}`]
    const all = ['transcribe', CLIPS.jfk.file, ...args, ...engine, '--engine-output', 'text']
    return await execa(process.execPath, [...programCode('agent'), ...all, '--gpus', 'none'], {
      cwd,
      env: { PATH: process.env['PATH'] ?? '', HOME: root, MORAG_MODELS_DIR: modelsDir() },
      extendEnv: false,
      reject: false,
    })
  }

  it('writes into a folder, and subtitles where a file is called so', async () => {
    const dir = await newFolder()
    await mkdir(path.join(dir, 'out'))
    const into = await transcribe(dir, '--output', 'out')
    assert.equal(into.exitCode, 0, into.stderr)
    assert.match(await readFile(path.join(dir, 'out', 'jfk.md'), 'utf8'), /^# Audio Trans.*hello/s)
    await transcribe(dir, '--output', 'x.srt')
    assert.match(await readFile(path.join(dir, 'x.srt'), 'utf8'), /^1\r?\n00:00:0.* --> .*hello/s)
  })

  it('does nothing for an output that cannot be written', async () => {
    const dir = await newFolder()
    for (const args of [
      ['--output', 'nowhere/x.md'],
      ['--output', 'x.srt', '--format', 'vtt'],
      ['--key-frames', 'engine/frames'],
    ]) {
      const { exitCode, stderr } = await transcribe(dir, ...args)
      assert.equal(exitCode, 2, stderr)
    }
    assert.deepEqual(await readdir(dir), ['engine'])
  })
})
