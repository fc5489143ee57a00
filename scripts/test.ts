import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { FIRST } from '../agent/models/catalogue.ts'
import { ensureModel } from '../agent/models/models.ts'
import { MINUTE } from '../shared/duration.ts'
import { compileTests, testFiles, type Code } from './tests/compile.ts'
import { testEnvironment } from './tests/environment.ts'
import { runPool } from './tests/pool.ts'
import { endedText, summary } from './tests/report.ts'
import { killsOf, processesOf, tierNamed } from './tests/tiers.ts'

/**
 * `node --import tsx scripts/test.ts (--tier quick|rest|all | FILES) [--slots 3] [--test-…=…]`: runs tests in an
 * environment that is the same on every machine, with options for Node's test runner. A tier is compiled first; FILES run as they are. ffmpeg
 * and the models that come along are fetched before, once for a checkout. Ends with 1 when a test has failed.
 */
const ROOT = fileURLToPath(new URL('..', import.meta.url))
const CACHE = path.join(ROOT, 'node_modules/.cache/morag-tests')

const args = process.argv.slice(2)
const options = args.filter((arg) => arg.startsWith('--test-'))
const { values, positionals } = parseArgs({
  args: args.filter((arg) => !options.includes(arg)),
  allowPositionals: true,
  options: {
    tier: { type: 'string' },
    // One more than there are processors: many tests wait.
    slots: { type: 'string', default: String(os.availableParallelism() + 1) },
  },
})

const models = {
  dir: path.join(CACHE, 'morag', 'models'),
  signal: AbortSignal.timeout(10 * MINUTE),
  onProgress: (text: string) => console.error(text),
}
for (const { name } of FIRST) await ensureModel(name, models)

const started = performance.now()
const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-tests-'))
try {
  const tier = values.tier === undefined ? null : tierNamed(values.tier)
  const code: Code = tier === null ? { folder: ROOT, extension: '.ts' } : await compileTests(ROOT)
  const queue =
    tier === null ? positionals.map((name) => [name]) : processesOf(tier, await testFiles(ROOT))
  const kills = tier === null ? {} : { TEST_KILLS: String(killsOf(tier)) }
  const ended = await runPool(queue, {
    root: ROOT,
    code,
    options,
    folder,
    env: await testEnvironment(folder, CACHE, { ...kills, ...process.env }),
    slots: Number(values.slots),
    timeoutMs: 10 * MINUTE,
    onEnded: (one) => {
      if (queue.length > 1 || one.leftovers.length > 0) console.log(endedText(one))
    },
  })
  if (queue.length > 1) console.log(summary(ended, performance.now() - started))
  if (ended.some(({ isPassed }) => !isPassed)) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
