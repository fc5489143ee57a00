import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  claim,
  createJob,
  startRunning,
  until,
  type Claimed,
  type Running,
  type Setup,
} from './running.ts'
import { POLICY } from './example-jobs.ts'

/** What a line about a job says, beside its id and type; what it does not say is left out. */
type Line = [status: string, facts: Record<string, unknown>]

/** A coordinator whose log is read step by step. */
class Walk {
  readonly running: Running
  #read = 0

  private constructor(running: Running) {
    this.running = running
  }

  static async start(t: Parameters<typeof startRunning>[0], setup: Setup = {}): Promise<Walk> {
    return new Walk(await startRunning(t, setup))
  }

  /** One request that is to be taken. */
  async ask(method: string, route: string, json?: unknown): Promise<Record<string, unknown>> {
    const { status, body, text } = await this.running.ask(method, route, { json })
    assert.equal(status, 200, text)
    return body
  }

  /** Takes the one job that waits. */
  async claim(workerId = 'w1'): Promise<Claimed> {
    const [job] = await claim(this.running, { worker_id: workerId })
    return job!
  }

  async finish(job: Claimed, body: object): Promise<void> {
    const json = { ...body, lease_token: job.lease_token }
    await this.ask('PUT', `/remote-jobs/${job.job_id}/result`, json)
  }

  /** What was said of the job since the last time: each line whole, of the one job. */
  saw(jobId: string, ...expected: Line[]): void {
    const lines = this.running.logged.slice(this.#read)
    this.#read += lines.length
    const found = lines
      .map((line) => JSON.parse(line) as Record<string, unknown>)
      // Who has done something by hand is in a line of its own, beside the change.
      .filter((line) => 'job_id' in line && !('action' in line))
      .map(({ level, time, pid, hostname, msg, ...facts }): Line => {
        assert.ok([level, time, pid, hostname].every((one) => one !== undefined))
        const { job_id: id, content_type: type, ...rest } = facts
        assert.deepEqual([id, type], [jobId, 'audio'])
        return [String(msg), rest]
      })
    assert.deepEqual(found, expected)
  }
}

const first = { attempt: 1, worker_id: 'w1' }
const second = { attempt: 2, worker_id: 'w2' }
const RUNNING = { state: 'running', version: '1', slots: 1 }
const OK = { success: true, content: 'text' }
const failure = (code: string): object => ({ success: false, error_code: code })

test('every change that somebody asks for is one line, and what changes nothing is none', async (t) => {
  const walk = await Walk.start(t)
  const jobId = await createJob(walk.running)
  const at = `/remote-jobs/${jobId}`
  walk.saw(jobId, ['job pending', {}])

  let job = await walk.claim()
  walk.saw(jobId, ['job processing', { from: 'pending', ...first }])
  await walk.ask('POST', '/workers/w1/heartbeat', {
    ...RUNNING,
    jobs: [{ job_id: jobId, lease_token: job.lease_token, stage: 'decode', progress: 0.5 }],
  })
  walk.saw(jobId)
  await walk.ask('POST', `${at}/release`, { lease_token: job.lease_token })
  walk.saw(jobId, ['job pending', { from: 'processing', ...first, outcome: 'released' }])
  await walk.ask('POST', `${at}/release`, { lease_token: job.lease_token })
  walk.saw(jobId)

  job = await walk.claim('w2')
  walk.saw(jobId, ['job processing', { from: 'pending', ...second }])
  await walk.finish(job, failure('engine_failed'))
  const failed = { outcome: 'failed', reason: 'engine_failed' }
  walk.saw(jobId, ['job pending', { from: 'processing', ...second, ...failed }])
  await walk.finish(job, failure('engine_failed'))
  walk.saw(jobId)
  await walk.ask('POST', `${at}/reassign`, { worker_id: 'w3' })
  walk.saw(jobId, ['job pending', { from: 'pending', ...second }])

  const third = { attempt: 3, worker_id: 'w3' }
  await walk.claim('w3')
  walk.saw(jobId, ['job processing', { from: 'pending', ...third }])
  await walk.ask('POST', `${at}/reassign`)
  walk.saw(jobId, ['job pending', { from: 'processing', ...third, outcome: 'reassigned' }])

  const fourth = { attempt: 4, worker_id: 'w1' }
  job = await walk.claim()
  walk.saw(jobId, ['job processing', { from: 'pending', ...fourth }])
  await walk.ask('POST', `${at}/cancel`)
  walk.saw(jobId, ['job cancelled', { from: 'processing', ...fourth, outcome: 'cancelled' }])
  await walk.ask('POST', `${at}/cancel`)
  walk.saw(jobId)
  await walk.ask('POST', `${at}/retry`)
  walk.saw(jobId, ['job pending', { from: 'cancelled', ...fourth }])
  await walk.ask('POST', `${at}/cancel`)
  walk.saw(jobId, ['job cancelled', { from: 'pending', ...fourth }])
  await walk.ask('POST', `${at}/retry`)
  walk.saw(jobId, ['job pending', { from: 'cancelled', ...fourth }])

  const fifth = { attempt: 5, worker_id: 'w1' }
  job = await walk.claim()
  await walk.finish(job, failure('invalid_media'))
  const broken = { outcome: 'failed', reason: 'invalid_media' }
  walk.saw(
    jobId,
    ['job processing', { from: 'pending', ...fifth }],
    ['job failed', { from: 'processing', ...fifth, ...broken }],
  )
  await walk.ask('POST', `${at}/cancel`)
  walk.saw(jobId, ['job cancelled', { from: 'failed', ...fifth }])
  await walk.ask('POST', `${at}/retry`)
  walk.saw(jobId, ['job pending', { from: 'cancelled', ...fifth }])

  const sixth = { attempt: 6, worker_id: 'old' }
  await walk.ask('GET', '/remote-jobs/poll?worker_id=old&content_types=audio')
  walk.saw(jobId, ['job processing', { from: 'pending', ...sixth }])
  await walk.ask('PUT', `${at}/result`, OK)
  walk.saw(jobId, ['job completed', { from: 'processing', ...sixth, outcome: 'completed' }])
  await walk.ask('PUT', `${at}/result`, OK)
  walk.saw(jobId)
  await walk.ask('DELETE', at)
  walk.saw(jobId, ['job removed', { from: 'completed', ...sixth }])
})

test('a success that comes late is a line about the attempt that it is of', async (t) => {
  const walk = await Walk.start(t)
  const jobId = await createJob(walk.running)
  const job = await walk.claim()
  await walk.ask('POST', `/remote-jobs/${jobId}/reassign`, { worker_id: 'w2' })
  await walk.claim('w2')
  walk.saw(
    jobId,
    ['job pending', {}],
    ['job processing', { from: 'pending', ...first }],
    ['job pending', { from: 'processing', ...first, outcome: 'reassigned' }],
    ['job processing', { from: 'pending', ...second }],
  )
  await walk.finish(job, OK)
  walk.saw(jobId, ['job completed', { from: 'processing', ...first, outcome: 'completed' }])
})

/** Asks for the sweep, once what ends within a millisecond is over. */
async function sweep(walk: Walk): Promise<void> {
  const from = Date.now()
  await until(() => Date.now() > from + 1)
  await walk.ask('POST', '/remote-jobs/cleanup')
}

test('a lost lease is one line, and so is the end of a job that has lost two', async (t) => {
  const walk = await Walk.start(t, { policy: { ...POLICY, leaseMs: 1 } })
  const jobId = await createJob(walk.running)
  await walk.claim()
  await sweep(walk)
  const lost = { outcome: 'lost', reason: 'worker_lost' }
  walk.saw(
    jobId,
    ['job pending', {}],
    ['job processing', { from: 'pending', ...first }],
    ['job pending', { from: 'processing', ...first, ...lost }],
  )
  await walk.ask('POST', `/remote-jobs/${jobId}/reassign`, { worker_id: 'w2' })
  await walk.claim('w2')
  await sweep(walk)
  walk.saw(
    jobId,
    ['job pending', { from: 'pending', ...first }],
    ['job processing', { from: 'pending', ...second }],
    ['job failed', { from: 'processing', ...second, ...lost }],
  )
})

test('a deadline that has passed is one line, and so is the success that comes after it', async (t) => {
  const deadlineMs = { ...POLICY.deadlineMs, audio: 1 }
  const walk = await Walk.start(t, { policy: { ...POLICY, deadlineMs } })
  const jobId = await createJob(walk.running)
  const job = await walk.claim()
  await sweep(walk)
  const late = { outcome: 'timeout', reason: 'timeout' }
  walk.saw(
    jobId,
    ['job pending', {}],
    ['job processing', { from: 'pending', ...first }],
    ['job timeout', { from: 'processing', ...first, ...late }],
  )
  await walk.finish(job, OK)
  walk.saw(jobId, ['job completed', { from: 'timeout', ...first, outcome: 'completed' }])
})

test('a job that has waited for too long is one line, with why', async (t) => {
  const walk = await Walk.start(t, { policy: { ...POLICY, queueLimitMs: 0 } })
  const jobId = await createJob(walk.running)
  await walk.ask('POST', '/remote-jobs/cleanup')
  walk.saw(jobId, ['job pending', {}], ['job timeout', { from: 'pending', reason: 'timeout' }])
})

test('an attempt that has stalled is one line', async (t) => {
  const walk = await Walk.start(t, { policy: { ...POLICY, stallMs: 0 } })
  const jobId = await createJob(walk.running)
  const job = await walk.claim()
  await walk.ask('POST', '/workers/w1/heartbeat', {
    ...RUNNING,
    jobs: [{ job_id: jobId, lease_token: job.lease_token, stage: 'decode', progress: 0 }],
  })
  walk.saw(
    jobId,
    ['job pending', {}],
    ['job processing', { from: 'pending', ...first }],
    ['job pending', { from: 'processing', ...first, outcome: 'failed', reason: 'stalled' }],
  )
})
