import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  appendFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { encode } from '../../coordinator/storage/journal-files.ts'
import { replayed } from './replayed.ts'
import { toRecord } from '../../coordinator/storage/record.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { STATUSES } from '../../shared/wire.ts'
import { KILLS, SEED } from '../shared/kills.ts'
import { pick, seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { NOON, pendingJob } from './example-jobs.ts'
import { nodeScript } from '../../scripts/node-script.ts'

const WRITER = nodeScript(new URL('crash-writer.ts', import.meta.url))

/** What a writer acknowledged: id → status and attempts, or `removed`. */
type Acknowledged = Map<string, string>

/** Runs a writer over a data folder and kills it after so many acknowledged changes. */
async function writeAndKill(dir: string, seed: number, changes: number): Promise<Acknowledged> {
  const child = spawn(process.execPath, [...WRITER, dir, String(seed)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const closed = once(child, 'close')
  let said = ''
  let complaints = ''
  let lines = 0
  child.stderr.setEncoding('utf8').on('data', (text: string) => (complaints += text))
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text
    lines += text.split('\n').length - 1
    if (lines >= changes) child.kill('SIGKILL')
  })
  const [, signal] = (await closed) as [number | null, string | null]
  assert.equal(signal, 'SIGKILL', complaints)
  const acknowledged: Acknowledged = new Map()
  for (const line of said.split('\n').slice(0, -1)) {
    const [sign, jobId, ...state] = line.split(' ')
    acknowledged.set(jobId!, sign === '-' ? 'removed' : state.join(' '))
  }
  return acknowledged
}

async function reopen(dir: string): Promise<JobTable> {
  return await JobTable.open({ dir, now: () => NOON, journalBytes: 1e9, onError: () => {} })
}

function stateOf(store: JobTable, jobId: string): string {
  const job = store.get(jobId)
  return job === undefined ? 'removed' : `${job.status} ${job.attempts.length}`
}

/** Steps that a job can be ahead of what was acknowledged: one change per side was on its way when the kill came. */
function checkAll(store: JobTable, acknowledged: Acknowledged): number {
  let ahead = 0
  for (const [jobId, state] of acknowledged) {
    const found = stateOf(store, jobId)
    if (found === state) continue
    ahead += 1
    if (found === 'removed') continue
    assert.notEqual(state, 'removed', `${jobId} is back, as ${found}`)
    const [, before] = state.split(' ')
    const [, now] = found.split(' ')
    assert.ok(Number(now) >= Number(before), `${jobId} was ${state}, is ${found}`)
  }
  return ahead
}

function filesIn(dir: string): string[] {
  return STATUSES.flatMap((status) =>
    readdirSync(path.join(dir, status)).map((name) => path.join(dir, status, name)),
  )
}

/** What a power cut does to files that were never synced: some are gone, cut short, or in the folder they were in. */
function damage(dir: string, random: () => number, ids: ReadonlySet<string>): void {
  for (const file of filesIn(dir)) {
    if (!ids.has(path.basename(file, '.json'))) continue
    const dice = random()
    if (dice < 0.2) rmSync(file)
    else if (dice < 0.4) truncateSync(file, Math.floor(random() * readFileSync(file).length))
    else if (dice < 0.6) renameSync(file, path.join(dir, 'pending', path.basename(file)))
  }
  appendFileSync(
    path.join(dir, 'journal.ndjson'),
    encode({ put: toRecord(pendingJob()) }).slice(0, 1 + Math.floor(random() * 100)),
  )
}

const LANES = [1, 2]
for (const lane of LANES) {
  test(`a coordinator killed at any moment has every change that it acknowledged (${KILLS} rounds, seed ${SEED}, lane ${lane})`, async () => {
    const dir = tempFolder()
    const random = seededRandom(SEED + lane)
    let before: Acknowledged = new Map()
    for (let round = 1; round <= KILLS; round += 1) {
      const changes = 1 + Math.floor(random() * 700)
      const acknowledged = await writeAndKill(dir, SEED + lane * 1_000 + round, changes)
      assert.ok(acknowledged.size > 0)
      const interrupted = new Set(
        replayed(dir).entries.map((entry) =>
          'remove' in entry ? entry.remove : (entry.put as { job_id: string }).job_id,
        ),
      )
      if (round % 2 === 0) damage(dir, random, interrupted)
      const store = await reopen(dir)
      const ahead = checkAll(store, acknowledged)
      // Each of the 16 sides had one change on its way, and no more.
      assert.ok(ahead <= 16, `${ahead} jobs are not as acknowledged`)
      assert.equal(checkAll(store, before), 0, 'what earlier rounds left is as it was')
      before = new Map(
        [...before.keys(), ...acknowledged.keys()].map((id) => [id, stateOf(store, id)]),
      )
      const inFolders = new Map(
        filesIn(dir).map((file) => [
          path.basename(file, '.json'),
          path.basename(path.dirname(file)),
        ]),
      )
      assert.equal(filesIn(dir).length, inFolders.size, 'no job stands in two folders')
      assert.deepEqual(
        inFolders,
        new Map([...store.newest()].map(({ jobId, status }) => [jobId, status])),
      )
      await store.close()
    }
  })
}

test('a journal torn anywhere, in either segment, gives all that was whole before', async () => {
  const random = seededRandom(7)
  for (let round = 0; round < 40; round += 1) {
    const dir = tempFolder()
    const jobs = Array.from({ length: 6 }, () => pendingJob())
    const lines = jobs.map((job) => encode({ put: toRecord(job) }))
    const split = Math.floor(random() * 6)
    const segments = {
      'journal.previous.ndjson': lines.slice(0, split),
      'journal.ndjson': lines.slice(split),
    }
    for (const [name, content] of Object.entries(segments))
      writeFileSync(path.join(dir, name), content.join(''))
    const torn = pick(random, Object.keys(segments)) as keyof typeof segments
    const text = segments[torn].join('')
    const length = Math.floor(random() * (text.length + 1))
    truncateSync(path.join(dir, torn), length)
    const whole = text.slice(0, length).split('\n').length - 1
    const cleanly = text.slice(0, length).endsWith('\n') || length === 0
    const expected =
      torn === 'journal.ndjson'
        ? jobs.slice(0, split + whole)
        : [...jobs.slice(0, whole), ...(cleanly ? jobs.slice(split) : [])]
    const store = await reopen(dir)
    assert.deepEqual(
      new Set([...store.newest()].map(({ jobId }) => jobId)),
      new Set(expected.map(({ jobId }) => jobId)),
      `round ${round}`,
    )
    assert.equal(existsSync(path.join(dir, 'journal.previous.ndjson')), false)
    await store.close()
  }
})
