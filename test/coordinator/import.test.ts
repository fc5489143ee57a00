import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, it } from 'node:test'
import { importOriginal } from '../../coordinator/admin/import.ts'
import { lockFolder } from '../../shared/lock.ts'
import { STATUSES, type Status } from '../../shared/wire.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { createJob, startRunning } from './running.ts'

const folder = tempFolder()

/** A path that nothing is at yet. */
const fresh = (): string => path.join(folder, randomUUID())

const NOW = Date.parse('2026-01-15T12:00:00Z')

/** A job's file as the original's Python writes it: `json.dump(asdict(job), indent=2)`, its moments naive UTC. */
function originalJob(different: Record<string, unknown> = {}): Record<string, unknown> {
  return {
    id: randomUUID(),
    ingestion_task_id: 'celery-7',
    source_file_path: '/srv/media/talk.mp3',
    content_type: 'audio',
    task_options: { webhook_url: 'http://example.com/webhook', language: 'de' },
    status: 'pending',
    worker_id: null,
    created_at: '2026-01-15T10:30:00.123456',
    started_at: null,
    completed_at: null,
    error_message: null,
    result_data: null,
    retry_count: 0,
    max_retries: 3,
    timeout_at: '2026-01-15T11:00:00.123456',
    ...different,
  }
}

const claimed = { worker_id: 'audio-worker-1', started_at: '2026-01-15T10:31:00' }
const over = { ...claimed, completed_at: '2026-01-15T10:40:00.5' }

/** One job in each state. */
const JOBS: Record<Status, Record<string, unknown>> = {
  pending: originalJob(),
  processing: originalJob({ ...claimed, status: 'processing' }),
  completed: originalJob({
    ...over,
    status: 'completed',
    result_data: {
      content: '# Audio Transcription: talk.mp3',
      metadata: { duration: 120.5, speakers: ['Speaker_00'] },
      processing_time: 45.2,
    },
  }),
  failed: originalJob({ ...over, status: 'failed', error_message: 'CUDA died.', retry_count: 1 }),
  timeout: originalJob({
    ...over,
    status: 'timeout',
    error_message: 'Job exceeded maximum processing time',
  }),
  cancelled: originalJob({ status: 'cancelled', completed_at: '2026-01-15T10:40:00' }),
}

function originalFolder(jobs: Partial<Record<Status, Record<string, unknown>[]>>): string {
  const dir = fresh()
  for (const status of STATUSES) {
    mkdirSync(path.join(dir, status), { recursive: true })
    for (const job of jobs[status] ?? []) {
      const file = path.join(dir, status, `${String(job['id'])}.json`)
      writeFileSync(file, JSON.stringify(job, null, 2))
    }
  }
  return dir
}

const everyState = (): string =>
  originalFolder(Object.fromEntries(STATUSES.map((status) => [status, [JOBS[status]]])))

async function imported(from: string, to = fresh()): Promise<string> {
  await importOriginal({ from, to, dryRun: false, now: NOW })
  return to
}

describe('the import of a folder of the original', () => {
  it('puts every job where it was, field by field', async (t) => {
    const to = await imported(everyState())
    for (const status of STATUSES) {
      const names = readdirSync(path.join(to, status))
      assert.deepEqual(names, [`${String(JOBS[status]['id'])}.json`], status)
    }
    const running = await startRunning(t, { over: () => ({ dataDir: to }) })
    const detail = async (status: Status) =>
      (await running.ask('GET', `/remote-jobs/${String(JOBS[status]['id'])}`)).body

    const pending = await detail('pending')
    assert.equal(pending['status'], 'pending')
    assert.equal(pending['ingestion_task_id'], 'celery-7')
    assert.equal(pending['content_type'], 'audio')
    assert.deepEqual(pending['task_options'], { language: 'de' })
    assert.equal(pending['created_at'], '2026-01-15T10:30:00.123Z')
    assert.equal(pending['webhook'], 'http://example.com')

    const completed = await detail('completed')
    assert.equal(completed['status'], 'completed')
    assert.equal(completed['worker_id'], 'audio-worker-1')
    assert.equal(completed['started_at'], '2026-01-15T10:31:00.000Z')
    assert.equal(completed['completed_at'], '2026-01-15T10:40:00.500Z')
    assert.equal(completed['continuation'], null)
    const result = await running.ask('GET', `/remote-jobs/${String(completed['job_id'])}/result`)
    assert.equal(result.body['content'], '# Audio Transcription: talk.mp3')
    assert.deepEqual(result.body['metadata'], { duration: 120.5, speakers: ['Speaker_00'] })
    assert.equal(result.body['processing_time'], 45.2)

    const failed = await detail('failed')
    assert.equal(failed['error_message'], 'CUDA died.')
    assert.equal(failed['retry_count'], 1)
    assert.equal((await detail('timeout'))['error_code'], 'timeout')
    assert.equal((await detail('cancelled'))['status'], 'cancelled')
  })

  it('leaves an attempt with its worker, which delivers as it always did', async (t) => {
    const soon = new Date(Date.now() - 60_000).toISOString().replace('Z', '')
    const job = originalJob({ status: 'processing', worker_id: 'old', started_at: soon })
    const to = await imported(originalFolder({ processing: [job] }))
    const running = await startRunning(t, { over: () => ({ dataDir: to }) })
    const { status, body } = await running.ask('PUT', `/remote-jobs/${String(job['id'])}/result`, {
      json: { success: true, content: 'Text.', metadata: {} },
    })
    assert.deepEqual([status, body['status']], [200, 'completed'])
  })

  it('keeps large results in files of their own', async (t) => {
    const content = 'word '.repeat(10_000)
    const data = { content, metadata: {}, processing_time: 1 }
    const job = originalJob({ ...over, status: 'completed', result_data: data })
    const to = await imported(originalFolder({ completed: [job] }))
    assert.ok(existsSync(path.join(to, 'results', `${String(job['id'])}.json`)))
    const running = await startRunning(t, { over: () => ({ dataDir: to }) })
    const { body } = await running.ask('GET', `/remote-jobs/${String(job['id'])}/result`)
    assert.equal(body['content'], content)
  })

  it('leaves the original as it was, and may be repeated', async () => {
    const from = everyState()
    const before = STATUSES.map((status) => readdirSync(path.join(from, status)))
    const to = await imported(from)
    const again = await importOriginal({ from, to, dryRun: false, now: NOW })
    assert.equal(again.known, STATUSES.length)
    assert.deepEqual(
      STATUSES.map((status) => readdirSync(path.join(from, status))),
      before,
    )
  })

  it('changes the files where they are when both folders are one', async (t) => {
    const dir = everyState()
    const report = await importOriginal({ from: dir, to: dir, dryRun: false, now: NOW })
    assert.deepEqual(Object.values(report.imported), [1, 1, 1, 1, 1, 1])
    const running = await startRunning(t, { over: () => ({ dataDir: dir }) })
    const { body } = await running.ask('GET', `/remote-jobs/${String(JOBS.failed['id'])}/status`)
    assert.equal(body['status'], 'failed')
    await running.stop()
    const again = await importOriginal({ from: dir, to: dir, dryRun: false, now: NOW })
    assert.equal(again.known, STATUSES.length)
  })

  it('writes nothing in a dry run', async () => {
    const to = fresh()
    const report = await importOriginal({ from: everyState(), to, dryRun: true, now: NOW })
    assert.deepEqual(Object.values(report.imported), [1, 1, 1, 1, 1, 1])
    assert.equal(existsSync(to), false)
  })

  it('names what makes no job, and takes the rest', async () => {
    const from = originalFolder({ pending: [originalJob()] })
    writeFileSync(path.join(from, 'pending', 'torn.json'), '{"id": "')
    writeFileSync(
      path.join(from, 'failed', 'odd.json'),
      JSON.stringify(originalJob({ id: '../x' })),
    )
    writeFileSync(
      path.join(from, 'failed', 'when.json'),
      JSON.stringify(originalJob({ created_at: 'yesterday' })),
    )
    const to = fresh()
    const {
      imported: counts,
      skipped,
      sourceless,
    } = await importOriginal({
      from,
      to,
      dryRun: false,
      now: NOW,
    })
    assert.equal(counts.pending, 1)
    assert.equal(sourceless.length, 1)
    assert.deepEqual(
      skipped.map(({ file }) => file),
      ['failed/odd.json', 'failed/when.json', 'pending/torn.json'],
    )
    assert.match(skipped[0]!.reason, /is not a job id/)
    assert.match(skipped[1]!.reason, /created_at/)
  })

  const done = (content: string, more: object = {}): Record<string, unknown> => {
    const result_data = { content, metadata: { duration: 5 }, processing_time: 1 }
    return originalJob({ ...over, status: 'completed', result_data, ...more })
  }

  it('takes a text of any length, and numbers that only Python writes', async (t) => {
    const long = done('x'.repeat(16 * 1024 * 1024 + 1))
    const odd = done('odd')
    const from = originalFolder({ completed: [long, odd] })
    const file = path.join(from, 'completed', `${String(odd['id'])}.json`)
    const text = readFileSync(file, 'utf8').replace(
      '"duration": 5',
      '"duration": NaN, "x": -Infinity',
    )
    writeFileSync(file, text)
    const dataDir = await imported(from)
    const retention = { completedMs: null, failedMs: null, sourcesMs: null }
    const running = await startRunning(t, { over: () => ({ dataDir, retention }) })
    for (const { id } of [long, odd] as { id: string }[]) {
      const { status, text: markdown } = await running.ask('GET', `/remote-jobs/${id}/result.md`)
      assert.equal(status, 200, markdown)
      assert.equal(markdown.length, id === long['id'] ? 16 * 1024 * 1024 + 1 : 3)
    }
    const { body } = await running.ask('GET', `/remote-jobs/${String(odd['id'])}/result`)
    assert.deepEqual(body['metadata'], { duration: null, x: null })
  })

  it('keeps a text that came with a job that has not completed, where the job’s files are listed', async (t) => {
    const job = done('half a text', { status: 'failed', error_message: 'It broke.' })
    const to = await imported(originalFolder({ failed: [job] }))
    const running = await startRunning(t, { over: () => ({ dataDir: to }) })
    const route = `/remote-jobs/${String(job['id'])}`
    assert.equal((await running.ask('GET', route)).body['status'], 'failed')
    const kept = await running.ask('GET', `${route}/artifacts/original-result.json`)
    assert.equal(kept.body['content'], 'half a text')
    assert.deepEqual(kept.body['metadata'], { duration: 5 })
  })

  for (const isInPlace of [false, true]) {
    it(`takes a job that stands in several folders over once, as the most advanced one${isInPlace ? ', where it is' : ''}`, async (t) => {
      const job = done('# Text')
      const { id } = job
      const waiting = { ...job, status: 'pending', result_data: null }
      const from = originalFolder({ pending: [waiting], processing: [waiting], completed: [job] })
      const to = isInPlace ? from : fresh()
      const report = await importOriginal({ from, to, dryRun: false, now: NOW })
      assert.deepEqual(Object.values(report.imported), [0, 0, 1, 0, 0, 0])
      assert.deepEqual(
        report.superseded.map(({ file }) => file).toSorted(),
        ['pending', 'processing'].map((status) => path.join(status, `${String(id)}.json`)),
      )
      assert.match(report.superseded[0]!.reason, /completed\//)
      const left = STATUSES.filter((status) => readdirSync(path.join(from, status)).length > 0)
      assert.deepEqual(left, isInPlace ? ['completed'] : ['pending', 'processing', 'completed'])
      if (isInPlace) assert.equal(readdirSync(path.join(to, 'quarantine')).length, 2)
      const again = await importOriginal({ from, to, dryRun: false, now: NOW })
      assert.deepEqual(Object.values(again.imported), [0, 0, 0, 0, 0, 0])
      const running = await startRunning(t, { over: () => ({ dataDir: to }) })
      const { body } = await running.ask('GET', '/remote-jobs/')
      const jobs = body['jobs'] as { job_id: string; status: string }[]
      assert.deepEqual(
        jobs.map(({ job_id, status }) => [job_id, status]),
        [[id, 'completed']],
      )
    })
  }

  it('puts aside what makes no job where both folders are one, so that a coordinator starts there', async (t) => {
    const dir = originalFolder({ pending: [originalJob({ created_at: 'yesterday' })] })
    writeFileSync(path.join(dir, 'failed', 'torn.json'), '{"id": "')
    const { skipped } = await importOriginal({ from: dir, to: dir, dryRun: false, now: NOW })
    assert.equal(skipped.length, 2)
    assert.equal(readdirSync(path.join(dir, 'quarantine')).length, 2)
    const running = await startRunning(t, { over: () => ({ dataDir: dir }) })
    assert.equal((await running.ask('GET', '/health')).status, 200)
  })

  it('is refused while a coordinator runs on the folder', async () => {
    const to = fresh()
    mkdirSync(to)
    const lock = await lockFolder(to)
    await assert.rejects(importOriginal({ from: everyState(), to, dryRun: false, now: NOW }), {
      code: 'usage',
      message: /A coordinator is running on/,
    })
    await lock!.release()
  })
})

describe('a coordinator that is started on a folder of the original', () => {
  it('puts a single one aside that lies among its own, and starts', async (t) => {
    const first = await startRunning(t)
    const jobId = await createJob(first)
    await first.stop()
    const job = originalJob()
    const file = path.join(first.dataDir, 'pending', `${String(job['id'])}.json`)
    writeFileSync(file, JSON.stringify(job))
    const again = await startRunning(t, { root: first.root })
    assert.equal((await again.ask('GET', `/remote-jobs/${jobId}`)).body['status'], 'pending')
    assert.equal((await again.ask('GET', '/health')).body['quarantined'], 1)
    assert.ok(again.logged.some((line) => /original system.*morag-coordinator import/.test(line)))
  })

  it('does not start where only a part of them was taken over', async (t) => {
    const dir = originalFolder({ pending: [originalJob()] })
    await importOriginal({ from: dir, to: dir, dryRun: false, now: NOW })
    for (const job of [originalJob(), originalJob()])
      writeFileSync(path.join(dir, 'pending', `${String(job['id'])}.json`), JSON.stringify(job))
    await assert.rejects(startRunning(t, { over: () => ({ dataDir: dir }) }), { code: 'usage' })
    assert.equal(readdirSync(path.join(dir, 'pending')).length, 3)
  })

  it('does not start, moves nothing, and says how to take it over', async (t) => {
    const dir = everyState()
    await assert.rejects(startRunning(t, { over: () => ({ dataDir: dir }) }), {
      code: 'usage',
      message: /is a job of the original system\. .*morag-coordinator import /,
    })
    const file = path.join(dir, 'pending', `${String(JOBS.pending['id'])}.json`)
    assert.deepEqual(JSON.parse(readFileSync(file, 'utf8')), JOBS.pending)
  })
})
