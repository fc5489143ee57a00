import assert from 'node:assert/strict'
import { chmod, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { execa } from 'execa'
import { runChild } from '../../agent/process/run-child.ts'
import { modelsDir, npmEnv, stateDir } from '../../agent/paths.ts'
import { childEnv } from '../../shared/child-env.ts'
import { AppError } from '../../shared/errors.ts'
import { gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'
import { setEnv } from '../shared/set-env.ts'

const NODE = process.execPath
const signal = new AbortController().signal

const dir = tempFolder()

describe('runChild', () => {
  it('gives the exit code and the end of both streams', async () => {
    const script = `process.stdout.write('out'); process.stderr.write('err'); process.exitCode = 3`
    assert.deepEqual(await runChild(NODE, ['-e', script], { signal }), {
      exitCode: 3,
      signal: null,
      stdoutTail: 'out',
      stderrTail: 'err',
    })
  })

  it('names the signal that ended the child', async () => {
    const result = await runChild(NODE, ['-e', `process.kill(process.pid, 'SIGKILL')`], { signal })
    assert.equal(result.exitCode, null)
    assert.equal(result.signal, 'SIGKILL')
  })

  it('splits lines at \\n, \\r and \\r\\n, also across chunks', async () => {
    const script = `
      const parts = ['a\\nb\\r', '\\nc\\rd', 'e\\n\\nlast \\u00e4'.slice(0)]
      const next = () => { const p = parts.shift(); if (p !== undefined) process.stdout.write(p, () => setTimeout(next, 20)) }
      next()`
    const lines: string[] = []
    await runChild(NODE, ['-e', script], { signal, onLine: (line) => lines.push(line) })
    assert.deepEqual(lines, ['a', 'b', 'c', 'de', '', 'last ä'])
  })

  it('keeps only the tail of a long output and bounds an endless line', async () => {
    let longest = 0
    const result = await runChild(
      NODE,
      [
        '-e',
        `for (let i = 0; i < 64; i++) process.stdout.write('x'.repeat(65536)); process.stdout.write('end')`,
      ],
      { signal, tailBytes: 10, onLine: (line) => (longest = Math.max(longest, line.length)) },
    )
    assert.equal(result.stdoutTail, 'xxxxxxxend')
    assert.ok(longest <= 65_536)
  })

  it('throws the reason of the signal and leaves nothing of the group', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    // A child that starts a grandchild in its group and then tells both ids.
    const script = `
      const { spawn } = require('node:child_process')
      const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
      console.log(process.pid, sleeper.pid)
      setInterval(() => {}, 1000)`
    let pids: number[] = []
    await assert.rejects(
      runChild(NODE, ['-e', script], {
        signal: controller.signal,
        onLine(line) {
          pids = line.split(' ').map(Number)
          controller.abort(reason)
        },
      }),
      (error) => error === reason,
    )
    assert.equal(pids.length, 2)
    await Promise.all(pids.map(gone))
  })

  it('kills a child that does not heed SIGTERM', async () => {
    const controller = new AbortController()
    const script = `process.on('SIGTERM', () => {}); console.log(process.pid); setInterval(() => {}, 1000)`
    let pid = 0
    const stopped = runChild(NODE, ['-e', script], {
      signal: controller.signal,
      onLine(line) {
        pid = Number(line)
        controller.abort(new AppError('cancelled', 'enough'))
      },
    })
    await assert.rejects(stopped, (error: AppError) => error.code === 'cancelled')
    await gone(pid)
  })

  it('ends what a child left running when it exits', async () => {
    const script = `
      const { spawn } = require('node:child_process')
      const sleeper = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { stdio: 'inherit' })
      console.log(sleeper.pid)
      sleeper.unref()`
    const result = await runChild(NODE, ['-e', script], { signal })
    assert.equal(result.exitCode, 0)
    await gone(Number(result.stdoutTail))
  })

  it('does not start anything for a signal that is already aborted', async () => {
    const reason = new AppError('cancelled', 'before')
    await assert.rejects(
      runChild('/no/such/program', [], { signal: AbortSignal.abort(reason) }),
      (error) => error === reason,
    )
  })

  it('calls a missing program engine_missing', async () => {
    await assert.rejects(
      runChild('no-such-program-anywhere', [], { signal }),
      (error: AppError) =>
        error.code === 'engine_missing' && error.message.includes('no-such-program-anywhere'),
    )
  })

  it('calls a program that may not be executed engine_missing', async () => {
    const file = path.join(dir, 'not-executable')
    await writeFile(file, '#!/bin/sh\n')
    await chmod(file, 0o644)
    await assert.rejects(
      runChild(file, [], { signal }),
      (error: AppError) => error.code === 'engine_missing' && error.message.includes('chmod'),
    )
  })

  it('kills running children when the process exits', async () => {
    const module = moduleUrl(new URL('../../agent/process/run-child.ts', import.meta.url))
    const script = `
      import { runChild } from ${JSON.stringify(module)}
      runChild(process.execPath, ['-e', 'console.log(process.pid); setInterval(() => {}, 1000)'], {
        signal: new AbortController().signal,
        onLine(line) { process.stdout.write(line, () => process.exit(7)) },
      })`
    const result = await execa(NODE, [...LOADER, '--input-type=module', '-e', script], {
      reject: false,
    })
    assert.equal(result.exitCode, 7)
    await gone(Number(result.stdout))
  })
})

describe('childEnv', () => {
  it('passes the path and the devices, never our own settings nor npm tokens', (t) => {
    const secret = { MORAG_API_KEY: 'secret', npm_config__authtoken: 'secret' }
    setEnv(t, { ...secret, CUDA_VISIBLE_DEVICES: '1' })
    const env = childEnv({ EXTRA: 'x' })
    assert.equal(env['PATH'], process.env['PATH'])
    assert.equal(env['CUDA_VISIBLE_DEVICES'], '1')
    assert.equal(env['EXTRA'], 'x')
    assert.ok(!Object.values(env).includes('secret'))
    assert.equal(npmEnv()['npm_config__authtoken'], 'secret')
    assert.equal(npmEnv()['MORAG_API_KEY'], undefined)
  })

  it('runs a child with that environment alone', async (t) => {
    setEnv(t, { MORAG_API_KEY: 'secret' })
    const script = 'console.log(process.env.MORAG_API_KEY, process.env.PATH !== undefined)'
    const result = await runChild(NODE, ['-e', script], { signal })
    assert.equal(result.stdoutTail, 'undefined true\n')
  })
})

describe('modelsDir and stateDir', () => {
  it('follow the settings, then the XDG folders', () => {
    const saved = { ...process.env }
    try {
      delete process.env['MORAG_MODELS_DIR']
      process.env['XDG_CACHE_HOME'] = '/c'
      process.env['XDG_STATE_HOME'] = '/s'
      assert.equal(modelsDir(), '/c/morag/models')
      assert.equal(stateDir(), '/s/morag')
      process.env['MORAG_MODELS_DIR'] = '/m'
      assert.equal(modelsDir(), '/m')
      process.env['XDG_STATE_HOME'] = ''
      process.env['HOME'] = '/home/ada'
      assert.equal(stateDir(), '/home/ada/.local/state/morag')
    } finally {
      for (const name of ['MORAG_MODELS_DIR', 'XDG_CACHE_HOME', 'XDG_STATE_HOME', 'HOME']) {
        if (saved[name] === undefined) delete process.env[name]
        else process.env[name] = saved[name]
      }
    }
  })
})
