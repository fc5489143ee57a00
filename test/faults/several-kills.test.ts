import assert from 'node:assert/strict'
import { test } from 'node:test'
import { soak } from '../../scripts/soak/run.ts'
import { noPostgres } from '../shared/postgres-server.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const TIMES = 9

test(
  'three coordinators that are killed again and again, with their database, keep every promise',
  { skip: noPostgres },
  async (t) => {
    const { records, findings, cuts, violations } = await soak({
      folder: tempFolder(),
      load: { faults: ['kill', 'kill', 'database'], times: TIMES, deeds: 200 },
      coordinators: 3,
      agents: 16,
      submitters: 4,
      seed: 7,
      keptMs: null,
      maxRetries: 0,
    })
    const { log, kills, restarts } = findings
    t.diagnostic(
      `${records.created.size} jobs, ${log.length} changes, ${kills} kills, ${restarts} of the database, ${cuts} cuts`,
    )
    assert.deepEqual(violations, [])
    assert.deepEqual([kills, restarts], [6, 3])
    assert.ok(log.every(({ version }) => version !== null))
    const writers = new Set(log.map(({ run }) => run))
    assert.ok(writers.size >= 3, `changes of ${writers.size} processes`)
  },
)
