import { chmod, mkdir, mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { MINUTE } from '../shared/duration.ts'
import { CACHE, fetchModels, ROOT } from './tests/cache.ts'
import { compileTests, fileOf, testFiles } from './tests/compile.ts'
import { testEnvironment } from './tests/environment.ts'
import { machines } from './tests/machines.ts'
import { runPool } from './tests/pool.ts'
import { endedText } from './tests/report.ts'
import { processesOf } from './tests/tiers.ts'

/**
 * `npm run test:machines -- [--all | FILES] [--only NAME]`: the same tests as on other machines, one machine after the
 * other, each with something that `scripts/test.ts` keeps away. Default: the files that depend most on the machine;
 * `--all`: the whole quick tier. Ends with 1 when a test has failed.
 */
const DEFAULT = [
  'test/conversion.test.ts',
  ...['cli', 'config', 'ffmpeg', 'find-program', 'sandbox'].map(
    (name) => `test/agent/${name}.test.ts`,
  ),
  ...['cli', 'config', 'folders', 'private-files'].map(
    (name) => `test/coordinator/${name}.test.ts`,
  ),
  ...['config-file', 'env-proxy', 'lock'].map((name) => `test/shared/${name}.test.ts`),
]

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    all: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    slots: { type: 'string', default: String(os.availableParallelism() + 1) },
  },
})
const named = positionals.length > 0 ? positionals : DEFAULT
const queue = values.all ? processesOf('quick', await testFiles(ROOT)) : named.map((file) => [file])

await fetchModels()
const code = await compileTests(ROOT)
const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-machines-'))
// For the machine whose user is another one.
await chmod(folder, 0o755)
try {
  const usual = await testEnvironment(folder, CACHE, process.env)
  const all = await machines(folder, usual, fileOf(code, named[0]!))
  for (const [index, machine] of all.entries()) {
    if (!machine.name.includes(values.only)) continue
    if ('why' in machine) {
      console.log(`SKIP  ${machine.name}: ${machine.why}`)
      continue
    }
    const own = path.join(folder, String(index))
    await mkdir(own)
    const started = performance.now()
    const ended = await runPool(queue, {
      root: ROOT,
      code,
      options: [],
      folder: own,
      env: { ...usual, ...machine.env },
      slots: Number(values.slots),
      timeoutMs: 10 * MINUTE,
      onEnded: (one) => {
        if (!one.isPassed) console.log(endedText(one))
      },
      ...machine.user,
    })
    const isPassed = ended.every((one) => one.isPassed)
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.log(`${isPassed ? 'PASS' : 'FAIL'}  ${machine.name} (${seconds} s)`)
    if (!isPassed) process.exitCode = 1
  }
} finally {
  await rm(folder, { recursive: true, force: true })
}
