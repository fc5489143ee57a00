import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { noPostgres } from '../../shared/postgres-server.ts'

/** What continuous integration has time for: each file tells of another part of the storage. */
const TELLING = [
  'coordinator/api',
  'coordinator/prefetch',
  'coordinator/quotas',
  'coordinator/upload',
  'ingestion/continuation-api',
]

/** Those of job files, of clocks that tests set, or of processes that choose their storage themselves. */
const OF_FILES = [
  'coordinator/admin-cli',
  'coordinator/attempts',
  'coordinator/checkpoints',
  'coordinator/claims',
  'coordinator/dashboard',
  'coordinator/import',
  'coordinator/original-restart',
  'coordinator/private-files',
  'coordinator/token-secrets',
  'coordinator/vocabulary',
  'coordinator/worker-board',
]

/** What they look at is of files, or over a database a moment late: counts, and what failures decide of a worker. */
const NOT_ALIKE = [
  'coordinator/body-room',
  'coordinator/events',
  'coordinator/given-back',
  'coordinator/metrics',
  'coordinator/original-protocol',
  'coordinator/request-limits',
  'coordinator/review-tokens',
  'coordinator/set-aside',
  'coordinator/transition-log',
]

const ROOT = fileURLToPath(new URL('../..', import.meta.url))
/** As this file is: compiled, or not. */
const END = `.test${path.extname(import.meta.url)}`

/** The files that run coordinators in their process. */
function all(): string[] {
  const folder = path.join(ROOT, 'coordinator')
  const names = readdirSync(folder)
    .filter((name) => name.endsWith(END))
    .filter((name) => readFileSync(path.join(folder, name), 'utf8').includes('/running.'))
    .map((name) => `coordinator/${name.slice(0, -END.length)}`)
  const alike = names.filter((name) => ![...OF_FILES, ...NOT_ALIKE].includes(name))
  return [...alike, 'ingestion/continuation-api']
}

// The tests of the API once more, over a database. Read where a coordinator is started.
process.env['STORE'] = 'postgres'
describe('the API over PostgreSQL', { skip: noPostgres }, async () => {
  if (noPostgres !== false) return
  const names = process.env['TEST_TIER'] === 'all' ? all() : TELLING
  for (const name of names) await import(pathToFileURL(path.join(ROOT, name + END)).href)
})
