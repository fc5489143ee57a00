import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { Registry } from 'prom-client'
import { Estimates } from '../../coordinator/job/estimate.ts'
import type { CompletedJob, Job } from '../../coordinator/job/job.ts'
import { Tally } from '../../coordinator/job/tally.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { gauge } from '../../coordinator/metrics/gauge.ts'
import { gaugeQueue } from '../../coordinator/metrics/queue-gauges.ts'
import { SECOND } from '../../shared/duration.ts'
import { after, CLAIM, NOON, pendingJob, result } from './example-jobs.ts'

const WORK = 'morag_queue_work_seconds'
const DRAIN = 'morag_queue_drain_seconds'

/** A job that took so long. */
function done(contentType: string, seconds: number): Job {
  const job = after(pendingJob({ contentType }), CLAIM, {
    type: 'succeed',
    attempt: 1,
    result: result(),
  }) as CompletedJob
  const attempt = job.attempts[0]!
  return { ...job, attempts: [{ ...attempt, endedAt: attempt.startedAt + seconds * SECOND }] }
}

/** The samples of both gauges over these jobs. @param slots of one worker, by content type. */
async function samples(
  jobs: readonly Job[],
  slots: Readonly<Record<string, number>> = {},
): Promise<Record<string, number>> {
  const registry = new Registry()
  const estimates = new Estimates()
  for (const job of jobs) estimates.learn(job)
  const workers = new Workers(() => NOON)
  for (const [type, count] of Object.entries(slots))
    workers.update(`for ${type}`, { slots: count, contentTypes: [type] })
  const counts = [...new Tally(jobs).types()]
  const reader = { counts: async () => await Promise.resolve(counts) }
  gaugeQueue(registry, { jobs: { reader }, workers, estimates }, (type) =>
    type.startsWith('odd') ? 'other' : type,
  )
  const lines = (await registry.metrics()).matchAll(/^(\w+)\{content_type="(\w+)"\} (.*)$/gm)
  return Object.fromEntries([...lines].map(([, name, type, value]) => [`${name} ${type}`, +value!]))
}

describe('the work that is open', () => {
  it('is open jobs times the usual time of one, and drains over the slots that are here', async () => {
    const running = after(pendingJob(), CLAIM)
    const jobs = [done('audio', 100), done('audio', 300), done('audio', 120), running]
    const waiting = [pendingJob(), pendingJob(), pendingJob()]
    assert.deepEqual(await samples([...jobs, ...waiting], { audio: 2 }), {
      [`${WORK} audio`]: 480,
      [`${DRAIN} audio`]: 240,
    })
  })

  it('has no number before anything of its type has completed', async () => {
    const jobs = [pendingJob({ contentType: 'video' }), done('audio', 60)]
    assert.deepEqual(await samples(jobs, { video: 1, audio: 1 }), {
      [`${WORK} audio`]: 0,
      [`${DRAIN} audio`]: 0,
    })
  })

  it('has an amount without a worker, but does not drain; nothing to do is done', async () => {
    const jobs = [done('audio', 60), pendingJob(), done('video', 30)]
    assert.deepEqual(await samples(jobs), {
      [`${WORK} audio`]: 60,
      [`${WORK} video`]: 0,
      [`${DRAIN} video`]: 0,
    })
  })

  it('of types that share a label is added up, unless one of them has no estimate', async () => {
    const jobs = [
      done('odd one', 10),
      done('odd two', 30),
      pendingJob({ contentType: 'odd one' }),
      pendingJob({ contentType: 'odd two' }),
    ]
    const slots = { 'odd one': 1, 'odd two': 1 }
    assert.deepEqual(await samples(jobs, slots), { [`${WORK} other`]: 40, [`${DRAIN} other`]: 30 })
    const unknown = pendingJob({ contentType: 'odd three' })
    assert.deepEqual(await samples([...jobs, unknown], slots), {})
  })
})

describe('a gauge', () => {
  it('has no sample while there is no value, not the last one', async () => {
    for (const labels of [{}, { place: 'here' }]) {
      const registry = new Registry()
      const values = [null, 5, null]
      gauge(registry, { name: 'a_gauge', help: '.', labels, read: () => values.shift()! })
      const texts = [await registry.metrics(), await registry.metrics(), await registry.metrics()]
      const sampled = texts.map((text) => /^a_gauge\S* (\d+)$/m.exec(text)?.[1])
      assert.deepEqual(sampled, [undefined, '5', undefined])
    }
  })
})
