import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmodSync, existsSync, mkdtempSync, readFileSync, watch, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test, type TestContext } from 'node:test'
import { runConverter, type ConverterRun } from '../../shared/converter.ts'
import { isAlive } from '../../scripts/process-tree.ts'
import { until } from '../coordinator/running.ts'
import { tempFolder } from './temp-folder.ts'

const folder = tempFolder()

function inFolder(different: Partial<ConverterRun> = {}): ConverterRun {
  return {
    program: process.execPath,
    args: [],
    cwd: mkdtempSync(path.join(folder, 'run-')),
    env: { PATH: process.env['PATH'] ?? '' },
    signal: new AbortController().signal,
    setting: '--converter',
    ...different,
  }
}

async function runNode(code: string, different: Partial<ConverterRun> = {}): Promise<string> {
  return await runConverter(inFolder({ args: ['-e', code], ...different }))
}

describe('a converter', () => {
  test('gets its arguments as they are, through no shell', async () => {
    const odd = `a b'c"d $(touch x) ; touch x\n\`touch x\`.txt`
    const cwd = mkdtempSync(path.join(folder, 'run-'))
    writeFileSync(path.join(cwd, 'file'), 'Ünïcode.\n')
    const args = ['-e', 'console.log(JSON.stringify(process.argv.slice(1)))', '--', odd]
    assert.deepEqual(JSON.parse(await runConverter(inFolder({ args, cwd }))), [odd])
    assert.ok(!existsSync(path.join(cwd, 'x')))
    assert.equal(
      await runConverter(inFolder({ program: 'cat', args: ['file'], cwd })),
      'Ünïcode.\n',
    )
  })

  test('knows nothing of our environment but what it is given', async () => {
    const env = JSON.parse(await runNode('console.log(JSON.stringify(process.env))')) as object
    assert.deepEqual(Object.keys(env), ['PATH'])
  })

  test('that fails says why with its last line', async () => {
    const code = `console.error('first\\n\\x1b[31mcannot read it\\x1b[0m\\n\\n'); process.exitCode = 3`
    await assert.rejects(runNode(code), {
      code: 'engine_failed',
      message: 'node ended with exit code 3: [31mcannot read it [0m',
    })
    await assert.rejects(runNode('process.kill(process.pid, "SIGSEGV")'), {
      code: 'engine_failed',
      message: 'node was ended by SIGSEGV.',
    })
  })

  test('that is not there is missing, and the setting is named', async () => {
    const program = path.join(folder, 'nowhere')
    const missing = { code: 'engine_missing', message: /nowhere' .*not found\..*--converter/ }
    await assert.rejects(runConverter(inFolder({ program })), missing)
    const plain = path.join(folder, 'plain')
    writeFileSync(plain, '')
    chmodSync(plain, 0o644)
    const refused = { code: 'engine_missing', message: /is not executable/ }
    await assert.rejects(runConverter(inFolder({ program: plain })), refused)
  })

  test('that writes something else than text, or too much of it, has failed', async () => {
    await assert.rejects(runNode('process.stdout.write(Buffer.from([0xc3, 0x28]))'), {
      code: 'engine_failed',
      message: 'The output of node is not UTF-8.',
    })
    const endless = inFolder({ program: 'cat', args: ['/dev/zero'] })
    await assert.rejects(runConverter(endless), { code: 'too_large', message: /more than 64 MiB/ })
  })

  test('tells of each line that it complains with, while it runs', async () => {
    const lines: string[] = []
    const code = `process.stderr.write('page 1 of 2\\rpage 2 of 2\\nlast'); console.log('text')`
    assert.equal(await runNode(code, { onLine: (line) => lines.push(line) }), 'text\n')
    assert.deepEqual(lines, ['page 1 of 2', 'page 2 of 2', 'last'])
  })

  test('that takes too long is stopped, and says so', async () => {
    await assert.rejects(runNode('setInterval(() => {}, 1000)', { limitMs: 100 }), {
      code: 'engine_failed',
      message: 'node was stopped after 100ms: it took too long.',
    })
  })

  test('is run by what sets limits for it, and has needed too much when one ends it', async () => {
    const wrap: ConverterRun['wrap'] = ({ file, args }) => ({ file: 'env', args: [file, ...args] })
    assert.equal(await runNode('console.log(1)', { wrap }), '1\n')
    const shell = async (code: string): Promise<string> =>
      await runConverter(inFolder({ program: 'sh', args: ['-c', code] }))
    const large = {
      code: 'too_large',
      message: /^sh was stopped: it needed a larger file than allowed/,
    }
    await assert.rejects(shell('kill -XFSZ $$'), large)
    // As a sandbox tells it.
    await assert.rejects(shell('exit 153'), large)
    const slow = { code: 'too_large', message: /^sh was stopped: it needed more computing time/ }
    await assert.rejects(shell('kill -XCPU $$'), slow)
  })

  test('is ended with all that it has started', async (t) => {
    const { pids, run, abort } = await withChild(t, '')
    abort()
    await assert.rejects(run, /enough/)
    await until(() => !pids.some(isAlive))
  })

  test('leaves nothing running when it ends by itself', async (t) => {
    const { pids, run } = await withChild(t, 'setTimeout(() => process.exit(0), 50);')
    assert.equal(await run, 'begun\n')
    await until(() => !pids.some(isAlive))
  })
})

/** A program that runs for ever and has a child that does, too: once both are there. */
async function withChild(
  t: TestContext,
  more: string,
): Promise<{ pids: number[]; run: Promise<string>; abort: () => void }> {
  const cwd = mkdtempSync(path.join(folder, 'run-'))
  const told = path.join(cwd, 'pids')
  const code = `
    const child = require('node:child_process').spawn('sleep', ['1000'], { stdio: 'inherit' })
    console.log('begun')
    require('node:fs').writeFileSync('writing', JSON.stringify([process.pid, child.pid]))
    require('node:fs').renameSync('writing', 'pids')
    ${more}
    setInterval(() => {}, 1000)`
  const watcher = watch(cwd)
  const stopping = new AbortController()
  t.after(() => stopping.abort())
  const run = runNode(code, { cwd, signal: stopping.signal })
  run.catch(() => undefined)
  while (!existsSync(told)) await once(watcher, 'change')
  watcher.close()
  const pids = JSON.parse(readFileSync(told, 'utf8')) as number[]
  return { pids, run, abort: () => stopping.abort(new Error('enough')) }
}
