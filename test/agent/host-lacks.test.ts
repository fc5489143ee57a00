import assert from 'node:assert/strict'
import { chmod, mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { modelsDir } from '../../agent/paths.ts'
import { programCode } from '../../scripts/processes.ts'
import { CLIPS, testTools } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const folder = tempFolder()
const tools = await testTools()

/** Loaded first, it hides the voice detector as if npm had left out the optional packages. */
const HIDES = `import Module from 'node:module'
const resolve = Module._resolveFilename
Module._resolveFilename = function (name, ...more) {
  if (!name.startsWith('sherpa-onnx')) return resolve.call(this, name, ...more)
  throw Object.assign(new Error('Cannot find module ' + name), { code: 'MODULE_NOT_FOUND' })
}
`

/** The program as a user runs it, with an engine that is a program of the test. */
async function agent(args: string[], { preload = '', ffmpeg = tools.ffmpeg } = {}) {
  const hook = path.join(folder, 'hook.mjs')
  await writeFile(hook, preload)
  const engine = path.join(folder, 'engine')
  await writeFile(engine, '#!/bin/sh\necho some words\n')
  await chmod(engine, 0o755)
  const speaks = [
    '--engine',
    'command',
    '--engine-command',
    `${engine} {wav}`,
    '--engine-output',
    'text',
  ]
  const command = [
    ...programCode('agent'),
    ...args,
    ...speaks,
    '--gpus',
    'none',
    '--ffmpeg',
    ffmpeg,
  ]
  return await execa(process.execPath, ['--import', hook, ...command], {
    env: { PATH: process.env['PATH'] ?? '', HOME: folder, MORAG_MODELS_DIR: modelsDir() },
    extendEnv: false,
    reject: false,
    stdin: 'ignore',
  })
}

type Check = { name: string; status: string; detail: string; fix: string | null }

function checkIn(stdout: string, name: RegExp): Check | undefined {
  const { checks } = JSON.parse(stdout) as { checks: Check[] }
  return checks.find((check) => name.test(check.name))
}

describe('a host without a voice detector', () => {
  it('is printed at the start, with the fix', async () => {
    const { stderr, exitCode } = await agent(['transcribe', CLIPS.jfk.file], { preload: HIDES })
    assert.equal(exitCode, 0, stderr)
    assert.match(stderr, /There is no VAD.*--include=optional/)
  })

  it('fails the test of its media, and nothing else does', async () => {
    const { stdout, exitCode } = await agent(['test', '--test', 'media', '--json'], {
      preload: HIDES,
    })
    assert.equal(exitCode, 1)
    const found = checkIn(stdout, /the VAD distinguishes speech from noise/)
    assert.equal(found?.status, 'FAIL')
    assert.match(found.fix ?? '', /--include=optional/)
    const others = (JSON.parse(stdout) as { checks: Check[] }).checks.filter(
      (one) => one.name !== found.name,
    )
    assert.deepEqual([...new Set(others.map(({ status }) => status))], ['PASS'])
  })
})

describe('a host with an old ffmpeg', () => {
  it('fails the test of its media with the fix, and is printed at the start', async () => {
    const bin = path.join(folder, 'old')
    await mkdir(bin)
    for (const program of ['ffmpeg', 'ffprobe'] as const) {
      const version = `${program} version 4.1 Copyright (c) 2000-2018 the FFmpeg developers`
      const script = `#!/bin/sh\n[ "$1" = -version ] && exec echo '${version}'\nexec '${tools[program]}' "$@"\n`
      await writeFile(path.join(bin, program), script)
      await chmod(path.join(bin, program), 0o755)
    }
    const ffmpeg = path.join(bin, 'ffmpeg')
    const { stdout, exitCode } = await agent(
      ['test', '--test', 'media', '--sandbox', 'none', '--json'],
      { ffmpeg },
    )
    assert.equal(exitCode, 1)
    const found = checkIn(stdout, /three years/)
    assert.equal(found?.status, 'FAIL')
    assert.match(found.detail, /ffmpeg 4\.1 or its ffprobe is of 2018/)
    assert.match(found.fix ?? '', /models pull ffmpeg/)
    assert.equal(checkIn(stdout, /broken file/)?.status, 'PASS')
    const transcribed = await agent(['transcribe', CLIPS.jfk.file, '--sandbox', 'none'], { ffmpeg })
    assert.equal(transcribed.exitCode, 0)
    assert.match(transcribed.stderr, /ffmpeg 4\.1 or its ffprobe is of 2018.*models pull ffmpeg/)
  })
})
