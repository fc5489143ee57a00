import assert from 'node:assert/strict'
import { describe, it, type TestContext } from 'node:test'
import { execa } from 'execa'
import { nodeScript } from '../../scripts/node-script.ts'

const PROGRAM = nodeScript(new URL('signals-process.ts', import.meta.url))

/** A process that hears signals, and says what they make it do. */
function start(t: TestContext, ...args: string[]) {
  const child = execa(process.execPath, [...PROGRAM, ...args], {
    reject: false,
    forceKillAfterDelay: false,
  })
  t.after(() => child.kill('SIGKILL'))
  const lines = child.iterable()
  const next = async (): Promise<string> => {
    const { value } = await lines.next()
    return String(value)
  }
  return { child, next }
}

const skip = process.platform === 'win32' ? 'sends signals' : false

describe('signals', { skip }, () => {
  for (const [name, code, hint] of [
    ['SIGINT', 130, 'Press Ctrl-C again to give them back.'],
    ['SIGTERM', 143, 'A second signal gives them back.'],
  ] as const) {
    it(`finish, give back and leave at once, with ${code} for ${name}`, async (t) => {
      const { child, next } = start(t, 'busy')
      assert.equal(await next(), 'ready')
      child.kill(name)
      assert.equal(await next(), `Draining: running jobs are finished first. ${hint}`)
      assert.deepEqual([await next(), await next()], ['drain a', 'drain b'])
      child.kill(name)
      assert.equal(await next(), 'Giving back running jobs.')
      assert.deepEqual([await next(), await next()], ['stop a', 'stop b'])
      child.kill(name)
      assert.equal((await child).exitCode, code)
    })
  }

  it('say nothing of work where there is none', async (t) => {
    const { child, next } = start(t, 'idle')
    await next()
    child.kill('SIGTERM')
    assert.equal(await next(), 'Draining.')
  })

  it('that come before there are workers end the start, and drain workers that come yet', async (t) => {
    const { child, next } = start(t, 'early')
    await next()
    child.kill('SIGTERM')
    assert.deepEqual([await next(), await next(), await next()], ['early', 'drain a', 'drain b'])
  })
})
