import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { family } from '../../scripts/process-tree.ts'
import { run, startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import { CLIPS } from '../agent/fixtures.ts'
import { ProcessClient, processForm, stepIs } from '../ingestion/process-client.ts'
import { quietPort } from '../ingestion/quiet-port.ts'
import { startStrict } from '../ingestion/strict-morag.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { engineFlags, stopped } from './held-programs.ts'
import { PATIENCE_MS, skip } from './scene.ts'

const LEASE_SECONDS = 3
const FALLBACK_SECONDS = 1
const GRACE_SECONDS = 1
/** Three times as long as all that waits for an agent; with the default settings these are seven minutes. */
const AWAY_MS = 3 * (LEASE_SECONDS + GRACE_SECONDS + FALLBACK_SECONDS) * 1_000
const TALKS = 4

/** When an attempt of this worker has ended so, in the coordinator's log. */
async function attemptEnds(
  coordinator: RunningCoordinator,
  workerId: string,
  outcome: string,
): Promise<Record<string, unknown>> {
  const line = await coordinator.line(
    (one) => one.includes(`"worker_id":"${workerId}"`) && one.includes(`"outcome":"${outcome}"`),
  )
  return JSON.parse(line) as Record<string, unknown>
}

test(
  'an agent that reboots while jobs wait, and a MoRAG server that converts no recordings, lose none of them',
  { skip, timeout: PATIENCE_MS },
  async (t) => {
    const morag = await startStrict(t, 'process')
    morag.converts = false
    const folder = tempFolder()
    const rules = ['--lease', `${LEASE_SECONDS}s`, '--original-grace', `${GRACE_SECONDS}s`]
    const fallback = ['--morag-url', morag.url, '--fallback-after', `${FALLBACK_SECONDS}s`]
    const coordinator = await startCoordinator(path.join(folder, 'data'), folder, {
      args: [...rules, ...fallback, '--port', String(await quietPort())],
    })
    t.after(() => coordinator.signal('SIGKILL'))
    const agent = (flags: readonly string[]): ReturnType<typeof run> => {
      const usual = ['--worker-id', 'gpu', '--prefetch', '0', '--slots', '1']
      const place = ['--url', coordinator.url, '--work-dir', path.join(folder, 'work')]
      const started = run('agent', ['start', ...place, ...usual, ...flags])
      t.after(() => started.signal('SIGKILL'))
      return started
    }
    const says = 'it came back'
    const first = agent(await engineFlags(folder, 'held', { says, held: true }))
    const client = new ProcessClient(coordinator.url)
    const content = await readFile(CLIPS.jfk.file)
    const jobs = []
    for (let n = 0; n < TALKS; n += 1) {
      const request = {
        mode: 'ingest',
        source_type: 'file',
        content_type: 'audio',
        document_id: `talk-${n}`,
        metadata: { remote: true },
      }
      jobs.push(
        (await client.process(processForm(request, { filename: `talk-${n}.mp3`, content }))).job_id,
      )
    }
    await stopped(first.pid)

    // It goes with all that it has started, and says nothing.
    const goneAt = performance.now()
    for (const pid of family(first.pid).toReversed()) process.kill(pid, 'SIGKILL')
    await first.ended
    // Two minutes of silence make it absent; an operator does so at once.
    await client.ask('DELETE', '/workers/gpu')
    const lost = await attemptEnds(coordinator, 'gpu', 'lost')
    await attemptEnds(coordinator, 'local', 'released')
    const asked = morag.requests.filter((one) => one.startsWith('POST /api/v1/process'))
    assert.deepEqual(new Set(asked), new Set(['POST /api/v1/process 400']))
    await delay(goneAt + AWAY_MS - performance.now())

    agent(await engineFlags(folder, 'plain', { says }))
    await Promise.all(jobs.map(async (jobId) => await stepIs(coordinator, jobId, 'ingest', 'done')))
    for (const [n, jobId] of jobs.entries()) {
      const { status, retry_count } = JSON.parse(
        await client.ask('GET', `/remote-jobs/${jobId}`),
      ) as Record<string, unknown>
      assert.deepEqual([n, status, retry_count], [n, 'completed', Number(jobId === lost['job_id'])])
    }
    assert.deepEqual(
      new Map(morag.documents.map(({ documentId, filename }) => [documentId, filename])),
      new Map(jobs.map((_, n) => [`talk-${n}`, `talk-${n}.md`])),
    )
    const ingested = morag.requests.filter((one) => one === 'POST /api/v1/process 200')
    assert.equal(ingested.length, TALKS, 'each text is ingested once')
  },
)
