import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { MINUTE } from '../shared/duration.ts'
import { CACHE, fetchModels, ROOT } from './tests/cache.ts'
import { compileTests, testFiles, type Code } from './tests/compile.ts'
import { testEnvironment } from './tests/environment.ts'
import { runPool } from './tests/pool.ts'
import { durations, endedText, summary } from './tests/report.ts'
import { killsOf, processesOf, tierNamed } from './tests/tiers.ts'

/**
 * `node --import tsx scripts/test.ts (--tier smoke|quick|rest|all | FILES) [--compiled] [--slots N] [--test-…=…]`: runs
 * tests in an environment that is the same on every machine, with options for Node's test runner. A tier is compiled first;
 * FILES run as they are, unless with `--compiled`. ffmpeg and the embedded models are fetched before, once for a
 * checkout. Ends with 1 when a test has failed.
 */
const args = process.argv.slice(2)
const options = args.filter((arg) => arg.startsWith('--test-'))
const { values, positionals } = parseArgs({
  args: args.filter((arg) => !options.includes(arg)),
  allowPositionals: true,
  options: {
    tier: { type: 'string' },
    compiled: { type: 'boolean', default: false },
    // More than there are processors: many tests wait, and of all of them more.
    slots: { type: 'string' },
  },
})

await fetchModels()

const started = performance.now()
const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-tests-'))
try {
  const tier = values.tier === undefined ? null : tierNamed(values.tier)
  const isCompiled = tier !== null || values.compiled
  const code: Code = isCompiled ? await compileTests(ROOT) : { folder: ROOT, extension: '.ts' }
  const queue =
    tier === null ? positionals.map((name) => [name]) : processesOf(tier, await testFiles(ROOT))
  const kills = tier === null ? {} : { TEST_KILLS: String(killsOf(tier)), TEST_TIER: tier }
  const ended = await runPool(queue, {
    root: ROOT,
    code,
    options,
    folder,
    env: await testEnvironment(folder, CACHE, { ...kills, ...process.env }),
    slots: Number(values.slots ?? os.availableParallelism() + (tier === 'all' ? 4 : 3)),
    timeoutMs: 10 * MINUTE,
    onEnded: (one) => {
      if (queue.length > 1 || one.leftovers.length > 0) console.log(endedText(one))
    },
  })
  if (queue.length > 1) console.log(summary(ended, performance.now() - started))
  if (values.tier !== undefined) {
    const file = path.join(CACHE, `durations-${values.tier}.txt`)
    await writeFile(file, `${durations(ended).join('\n')}\n`)
    console.log(`The duration of each file: ${path.relative(ROOT, file)}`)
  }
  if (ended.some(({ isPassed }) => !isPassed)) process.exitCode = 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
