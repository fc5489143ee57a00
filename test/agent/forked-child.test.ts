import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { describe, it } from 'node:test'
import { pathToFileURL } from 'node:url'
import { execa } from 'execa'
import { askOnce, ForkedChild } from '../../agent/process/forked-child.ts'
import { AppError } from '../../shared/errors.ts'
import { gone } from './fixtures.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const folder = tempFolder()
const signal = new AbortController().signal
const source = (name: string): string =>
  JSON.stringify(moduleUrl(new URL(`../../${name}.ts`, import.meta.url)))

/** A script that answers in a few ways; `hang` holds its main thread as a native library does. */
const script = pathToFileURL(path.join(folder, 'child.mts'))
await writeFile(
  script,
  `import { setImmediate } from 'node:timers/promises'
  import { answerParent } from ${source('agent/process/answer-parent')}
  import { AppError } from ${source('shared/errors')}
  answerParent(async ({ how, value }, progress) => {
    progress(1)
    await setImmediate()
    if (how === 'say') return value
    if (how === 'refuse') throw new AppError('invalid_media', 'there is nothing in it')
    if (how === 'stumble') throw new TypeError('a mistake')
    if (how === 'exit') { console.error('first\\nout of luck.'); process.exit(7) }
    if (how === 'crash') process.kill(process.pid, 'SIGSEGV')
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)
  })`,
)
const child = (): ForkedChild => new ForkedChild(script, 'the oracle')
const isError = (code: string, message: RegExp) => (error: AppError) => {
  assert.equal(error.code, code)
  assert.match(error.message, message)
  return true
}

describe('ForkedChild', () => {
  it('answers one question after the other, and tells how far it is', async (t) => {
    const oracle = child()
    t.after(() => oracle.kill())
    const seen: number[] = []
    const onProgress = (seconds: number): void => void seen.push(seconds)
    for (const value of [[1, 2], 'text', null]) {
      const answer = await oracle.ask<unknown>({ how: 'say', value }, { signal, onProgress })
      assert.deepEqual(answer, value)
    }
    assert.deepEqual(seen, [1, 1, 1])
    assert.ok(oracle.isAlive)
  })

  it('ends with a question it could not answer, whose error is its own', async () => {
    for (const [how, expected] of [
      ['refuse', isError('invalid_media', /^The oracle failed: there is nothing in it$/)],
      ['stumble', isError('engine_failed', /a mistake/)],
    ] as const) {
      const oracle = child()
      await assert.rejects(oracle.ask({ how }, { signal }), expected)
      assert.ok(!oracle.isAlive)
    }
  })

  it('says how its process ended, and its last words', async () => {
    await assert.rejects(
      child().ask({ how: 'exit' }, { signal }),
      isError('engine_failed', /^The process of the oracle ended \(7\): out of luck\.$/),
    )
    const crashed = child()
    const expected = isError('engine_failed', /oracle ended \(SIGSEGV\)/)
    await assert.rejects(crashed.ask({ how: 'crash' }, { signal }), expected)
    await assert.rejects(crashed.ask({ how: 'say' }, { signal }), expected)
  })

  it('ends a process that says nothing for too long, and leaves none', async () => {
    const oracle = child()
    const hung = oracle.ask({ how: 'hang' }, { signal, idleMs: 100 })
    await assert.rejects(hung, isError('engine_failed', /^The oracle hangs: no output for 0 min/))
    await gone(oracle.pid!)
  })

  it('ends at once when the signal is aborted, whatever holds it', async () => {
    const controller = new AbortController()
    const reason = new AppError('cancelled', 'enough')
    const oracle = child()
    const options = { signal: controller.signal, onProgress: () => controller.abort(reason) }
    await assert.rejects(oracle.ask({ how: 'hang' }, options), (error) => error === reason)
    assert.ok(!oracle.isAlive)
    await gone(oracle.pid ?? 0)
  })

  it('ends when its parent is killed, whatever holds it', async () => {
    const parentScript = `
      import { ForkedChild } from ${source('agent/process/forked-child')}
      const oracle = new ForkedChild(new URL(${JSON.stringify(script.href)}), 'the oracle')
      const onProgress = () => {
        process.stdout.write(String(oracle.pid), () => process.kill(process.pid, 'SIGKILL'))
      }
      await oracle.ask({ how: 'hang' }, { signal: new AbortController().signal, onProgress })`
    const args = [...LOADER, '--input-type=module', '-e', parentScript]
    const parent = await execa(process.execPath, args, { reject: false })
    assert.equal(parent.signal, 'SIGKILL')
    await gone(Number(parent.stdout))
  })
})

describe('askOnce', () => {
  it('leaves no process behind an answer', async () => {
    const value = 'yes'
    const options = { signal }
    assert.equal(await askOnce(script, 'the oracle', { how: 'say', value }, options), value)
    const reason = new Error('too late')
    const aborted = askOnce(script, 'the oracle', {}, { signal: AbortSignal.abort(reason) })
    await assert.rejects(aborted, (error) => error === reason)
  })
})
