import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { startCoordinator } from '../../scripts/processes.ts'
import { soak } from '../../scripts/soak/run.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { Asking } from './asking.ts'

const KILLS = 5

// Mostly waiting, so beside each other.
describe('a coordinator', { concurrency: true }, () => {
  test('killed again and again under every kind of request keeps every promise', async (t) => {
    const { records, findings, cuts, violations } = await soak({
      folder: tempFolder(),
      load: { faults: ['kill'], times: KILLS, deeds: 300 },
      agents: 16,
      submitters: 4,
      seed: 5,
      keptMs: null,
      maxRetries: 0,
    })
    t.diagnostic(
      `${records.created.size} jobs, ${findings.log.length} changes, ${findings.kills} kills, ${cuts} cuts`,
    )
    assert.deepEqual(violations, [])
    assert.deepEqual(findings.errors, [])
    assert.equal(findings.kills, KILLS)
    const results = records.deeds.filter(
      (deed) => deed.kind === 'finish' && deed.answer === 'done' && deed.content !== null,
    )
    assert.ok(results.length > KILLS, `${results.length} results`)
  })

  test('gives up a file on which two workers in a row fall silent, instead of feeding it to all', async (t) => {
    const folder = tempFolder()
    const media = path.join(folder, 'media')
    mkdirSync(media)
    const file = path.join(media, 'poison.mp4')
    writeFileSync(file, 'whoever reads this dies')
    const coordinator = await startCoordinator(path.join(folder, 'data'), media, {
      args: ['--lease', '3s'],
    })
    t.after(() => coordinator.signal('SIGKILL'))
    const asking = new Asking(coordinator.url)
    const { body } = await asking.create(file)
    const jobId = String(body['job_id'])
    const victims: string[] = []
    let job: Record<string, unknown> = {}
    while (job['status'] !== 'failed') {
      const workerId = `worker-${victims.length + 1}`
      const got = await asking.claimed(workerId, { wait_seconds: 1 })
      // It fetches the file, and is heard of no more.
      if (got.length > 0) victims.push(workerId)
      job = (await asking.send('GET', `/remote-jobs/${jobId}`)).body
    }
    assert.deepEqual(victims, ['worker-1', 'worker-2'])
    assert.equal(job['error_code'], 'worker_lost')
    assert.match(
      String(job['error_message']),
      /The leases of two workers in a row expired on this file/,
    )
    assert.deepEqual(
      (job['attempts'] as { outcome: string }[]).map(({ outcome }) => outcome),
      ['lost', 'lost'],
    )
    assert.deepEqual(await asking.claimed('worker-3', { wait_seconds: 1 }), [])
  })
})
