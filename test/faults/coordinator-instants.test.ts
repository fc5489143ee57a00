import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { replayed } from '../coordinator/replayed.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import type { Claimed } from '../coordinator/running.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import type { Answer, Asking } from './asking.ts'
import { Place } from './place.ts'
import { until } from './until.ts'
import { LOADER, moduleUrl } from '../../scripts/node-script.ts'

const MIB = 1024 * 1024
const FAULT_POINT = moduleUrl(new URL('fault-point.ts', import.meta.url))

/** A coordinator that is told by {@link FAULT_POINT} where to die. */
class Mortal extends Place {
  async begin(fault: Record<string, string>): Promise<Asking> {
    const imports = [...LOADER, '--import', FAULT_POINT].join(' ')
    const env = { NODE_OPTIONS: imports, FAULT_DIR: this.dataDir, ...fault }
    return await this.start({ env })
  }

  /** From now on. */
  async follow(): Promise<void> {
    this.running.signal('SIGUSR2')
    await this.running.line((line) => line === 'it is followed')
  }

  /** It dies over this request, whose client hears nothing. */
  async dies(ask: Promise<unknown>): Promise<void> {
    await assert.rejects(ask, TypeError)
    assert.equal((await this.running.ended).signal, 'SIGKILL')
  }
}

for (const [moment, at, lines] of [
  ['after its line is synced and before it is answered', 'after write journal.ndjson', 1],
  ['before its line is written', 'before write journal.ndjson', 0],
] as const) {
  test(`a coordinator that is killed over each request, ${moment}, has it done once when it is asked again`, async (t) => {
    const mortal = new Mortal(t)
    let asking = await mortal.begin({ FAULT_AT: at })
    /** Asks in vain, and of the next coordinator again. */
    const twice = async (ask: () => Promise<Answer>): Promise<Answer['body']> => {
      const before = replayed(mortal.dataDir).entries.length
      await mortal.follow()
      await mortal.dies(ask())
      const after = replayed(mortal.dataDir).entries.length
      assert.equal(after - before, lines, 'it has died elsewhere')
      asking = await mortal.begin({ FAULT_AT: at })
      const { status, body } = await ask()
      assert.equal(status, 200, JSON.stringify(body))
      return body
    }
    const key = { 'idempotency-key': 'the same' }
    const about = { content_type: 'audio', ingestion_task_id: 'fault' }
    const wanted = { source_file_path: mortal.file, ...about }
    const made = await twice(() => asking.send('POST', '/remote-jobs/', wanted, key))
    const { jobs } = (await twice(() => asking.claim('w1'))) as unknown as { jobs: Claimed[] }
    const [job, ...more] = jobs
    assert.deepEqual([job?.job_id, job?.attempt, more], [made['job_id'], 1, []])
    await twice(() => asking.finish(job!, 'what was said'))
    assert.deepEqual(await asking.all(), [made['job_id']])
    const { body } = await asking.send('GET', `/remote-jobs/${job!.job_id}`)
    const attempts = body['attempts'] as { number: number; outcome: string }[]
    assert.deepEqual([body['status'], attempts.length], ['completed', 1])
    const result = await asking.send('GET', `/remote-jobs/${job!.job_id}/result`)
    assert.equal(result.body['content'], 'what was said')
  })
}

test('a coordinator that is killed at any step of a checkpoint has all its jobs, as they were', async (t) => {
  const mortal = new Mortal(t)
  const copies = tempFolder()
  const asking = await mortal.begin({ FAULT_COPIES: copies })
  const made: string[] = []
  for (let n = 0; n < 3; n += 1)
    made.push(String((await asking.create(mortal.file)).body['job_id']))
  const pending = path.join(mortal.dataDir, 'pending')
  await until(() => readdirSync(pending).length === made.length)
  // These the folders do not know yet, or know otherwise, when it stops.
  await mortal.follow()
  const [held, done] = await asking.claimed('w1', { max_jobs: 2 })
  await asking.finish(done!, 'what was said')
  made.push(String((await asking.create(mortal.file)).body['job_id']))
  const from = readdirSync(copies).length
  mortal.running.signal('SIGTERM')
  assert.equal((await mortal.running.ended).exitCode, 0)
  const steps = readdirSync(copies).slice(from)
  for (const [known, list] of [
    [['open journal.next', 'rename journal.nd', 'rename journal.next', 'rm journal.prev'], steps],
    // On a busy machine the folders may have followed before.
    [['write pending', 'rename pending', 'open pending'], readdirSync(copies)],
  ] as const) {
    for (const step of known)
      assert.ok(
        list.some((one) => one.slice(4).startsWith(step)),
        `${step}: ${list.join()}`,
      )
  }
  for (const step of steps) {
    const dir = path.join(copies, step)
    for (const time of ['then', 'and at the start after that']) {
      const store = await openStore(dir)
      const found = [...store.newest()].map(({ jobId, status }) => [jobId, status])
      const statusOf = (jobId: string): string =>
        jobId === held!.job_id ? 'processing' : jobId === done!.job_id ? 'completed' : 'pending'
      assert.deepEqual(
        new Map(found as [string, string][]),
        new Map(made.map((id) => [id, statusOf(id)])),
        `${step}, ${time}`,
      )
      await store.close()
    }
  }
  t.diagnostic(`${steps.length} steps`)
})

async function openStore(dir: string): Promise<JobTable> {
  return await JobTable.open({
    dir,
    now: Date.now,
    journalBytes: MIB,
    onError: () => undefined,
  })
}
