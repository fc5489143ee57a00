import assert from 'node:assert/strict'
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { pythonEnv, pythonPlaces } from '../../agent/engines/python/places.ts'
import { findProgram } from '../../agent/process/find-program.ts'
import { answerOf, cudaFolders, interpreterOf } from '../../agent/engines/python/program.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const dir = tempFolder()
const bin = path.join(dir, 'venv', 'bin')
mkdirSync(bin, { recursive: true })

function script(file: string, text: string, mode = 0o755): string {
  const full = path.join(bin, file)
  writeFileSync(full, text, { mode })
  return full
}
const python = script('python3', '#!/bin/sh\n')

describe('a program written in Python', () => {
  it('is found by its name on PATH, or by its path, when it may be run', () => {
    const program = script('tool', '#!/bin/sh\n')
    script('notes', 'not to be run', 0o644)
    assert.equal(findProgram('tool', ['/nowhere', bin]), program)
    assert.equal(findProgram(program, []), program)
    assert.equal(findProgram('notes', [bin]), null)
    assert.equal(findProgram(path.join(bin, 'gone'), [bin]), null)
  })

  it('tells its Python by its first line', () => {
    const own = path.join(dir, 'own-python3.11')
    writeFileSync(own, '', { mode: 0o755 })
    assert.equal(interpreterOf(script('a', `#!${own}\nimport sys\n`)), own)
    const long = `#!/bin/sh\n'''exec' "${own}" "$0" "$@"\n' '''\nimport sys\n`
    assert.equal(interpreterOf(script('b', long)), own)
  })

  it('tells its Python by the folder that it really is in', () => {
    const link = path.join(dir, 'linked')
    symlinkSync(script('c', '#!/bin/sh\n'), link)
    assert.equal(interpreterOf(link), python)
  })

  it('has no Python where none is', () => {
    const lone = path.join(dir, 'lone')
    writeFileSync(lone, '#!/usr/bin/env node\n', { mode: 0o755 })
    assert.equal(interpreterOf(lone), null)
  })

  it('answers null when it fails', async () => {
    const { signal } = new AbortController()
    assert.equal(await answerOf('/bin/false', [], {}, signal), null)
    assert.equal(await answerOf(path.join(dir, 'gone'), [], {}, signal), null)
    assert.equal(await answerOf('/bin/echo', ['1.2'], {}, signal), '1.2')
    const reason = new Error('enough')
    await assert.rejects(
      answerOf('/bin/echo', [], {}, AbortSignal.abort(reason)),
      (error) => error === reason,
    )
  })
})

describe('the environment of a Python program', () => {
  it('has the CUDA libraries that pip put beside it, and our ffmpeg', () => {
    const nvidia = path.join(dir, 'venv', 'lib', 'python3.11', 'site-packages', 'nvidia')
    for (const name of ['cublas', 'cudnn'])
      mkdirSync(path.join(nvidia, name, 'lib'), { recursive: true })
    const libraries = [path.join(nvidia, 'cublas', 'lib'), path.join(nvidia, 'cudnn', 'lib')]
    assert.deepEqual(cudaFolders(python).toSorted(), libraries)
    const places = {
      ...pythonPlaces({ offline: true }),
      libraries: ['/usr/local/cuda/lib64'],
      programs: ['/usr/bin'],
      env: { HF_HOME: '/hf' },
    }
    const program = script('d', '#!/bin/sh\n')
    const env = pythonEnv(program, places, { offline: true, ffmpeg: '/opt/ffmpeg/bin/ffmpeg' })
    assert.deepEqual(
      env['LD_LIBRARY_PATH']?.split(':').toSorted(),
      [...libraries, '/usr/local/cuda/lib64'].toSorted(),
    )
    assert.equal(env['LD_LIBRARY_PATH'].split(':').at(-1), '/usr/local/cuda/lib64')
    assert.equal(env['PATH'], '/opt/ffmpeg/bin:/usr/bin')
    assert.deepEqual([env['HF_HOME'], env['HF_HUB_OFFLINE']], ['/hf', '1'])
    const plain = pythonEnv(program, places, { offline: false, ffmpeg: 'ffmpeg' })
    assert.deepEqual([plain['PATH'], plain['HF_HUB_OFFLINE']], [undefined, undefined])
  })

  it('knows the proxy only where something may be fetched, and never the token', () => {
    const saved = { ...process.env }
    Object.assign(process.env, { HF_TOKEN: 'hf_secret', https_proxy: 'http://p', HF_HOME: '/hf' })
    try {
      const offline = pythonPlaces({ offline: true })
      assert.equal(offline.env['https_proxy'], undefined)
      assert.equal(offline.env['HF_HOME'], '/hf')
      assert.equal(offline.token, 'hf_secret')
      const online = pythonPlaces({ offline: false })
      assert.equal(online.env['https_proxy'], 'http://p')
      assert.ok(!Object.values(online.env).includes('hf_secret'))
    } finally {
      for (const name of ['HF_TOKEN', 'https_proxy', 'HF_HOME']) {
        if (saved[name] === undefined) delete process.env[name]
        else process.env[name] = saved[name]
      }
    }
  })
})
