import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { execa } from 'execa'
import { FIRST } from '../agent/models/catalogue.ts'
import { ensureModel } from '../agent/models/models.ts'
import { MINUTE } from '../shared/duration.ts'
import { testEnvironment } from './tests/environment.ts'

/**
 * `node --import tsx scripts/test.ts [--test-…] FILES`: Node's test runner with its own options, in
 * an environment that is the same on every machine. ffmpeg and the models that come along are fetched first, once for a checkout.
 */
const cache = fileURLToPath(new URL('../node_modules/.cache/morag-tests', import.meta.url))
const models = {
  dir: path.join(cache, 'morag', 'models'),
  signal: AbortSignal.timeout(10 * MINUTE),
  onProgress: (text: string) => console.error(text),
}
for (const { name } of FIRST) await ensureModel(name, models)

const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-tests-'))
try {
  const env = await testEnvironment(folder, cache, process.env)
  const { exitCode } = await execa(
    process.execPath,
    ['--import', 'tsx', '--test', '--test-timeout=600000', ...process.argv.slice(2)],
    { env, extendEnv: false, stdio: 'inherit', reject: false },
  )
  process.exitCode = exitCode ?? 1
} finally {
  await rm(folder, { recursive: true, force: true })
}
