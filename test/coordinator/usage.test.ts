import assert from 'node:assert/strict'
import { copyFileSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { describe, test } from 'node:test'
import { MAX_ATTEMPTS_KEPT, type Job, type JobEvent } from '../../coordinator/job/job.ts'
import { transition } from '../../coordinator/job/transition.ts'
import { fromRecord, toRecord } from '../../coordinator/storage/record.ts'
import { countsOf, NOTHING, sumOf, type Counts } from '../../coordinator/job/usage-counts.ts'
import { dayOf, endOfDay } from '../../coordinator/usage/days.ts'
import { csvOf, rowsOf } from '../../coordinator/usage/rows.ts'
import { FileUsage } from '../../coordinator/usage/file-usage.ts'
import { DAY, SECOND } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { after, at, CLAIM, failing, NOON, oneOfEach, pendingJob, result } from './example-jobs.ts'

const TODAY = '2026-01-02'

function beat(stage: string, mediaSeconds: number | null): JobEvent {
  const said = { stage, progress: 0.5, mediaSeconds, processedSeconds: null }
  return { type: 'heartbeat', attempt: 1, beat: said }
}

/** A job through events at seconds after {@link NOON}. */
function timed(job: Job, ...events: (readonly [number, JobEvent])[]): Job {
  for (const [second, event] of events) job = transition(job, event, at(NOON + second * SECOND))
  return job
}

describe('what a job has used', () => {
  test('is one job in each state, and the work of its attempt', () => {
    const { pending, processing, completed, failed, timeout, cancelled } = oneOfEach()
    assert.deepEqual(countsOf(pending), { ...NOTHING, jobs: 1 })
    assert.deepEqual(countsOf(processing), { ...NOTHING, jobs: 1 })
    const done = { ...NOTHING, jobs: 1, completed: 1, mediaMs: 60_000, workMs: 1_000 }
    assert.deepEqual(countsOf(completed), done)
    assert.deepEqual(countsOf(failed), { ...NOTHING, jobs: 1, failed: 1, workMs: 1_000 })
    assert.deepEqual(countsOf(timeout), { ...NOTHING, jobs: 1, failed: 1, workMs: 3_600_000 })
    assert.deepEqual(countsOf(cancelled), { ...NOTHING, jobs: 1, cancelled: 1, workMs: 1_000 })
  })

  test('is no wait for a slot, and every attempt', () => {
    const job = timed(
      pendingJob(),
      [0, CLAIM],
      [10, beat('waiting', null)],
      [40, beat('transcribing', null)],
      [50, beat('waiting', null)],
      [60, { type: 'release', attempt: 1 }],
      [100, CLAIM],
      [107, { type: 'succeed', attempt: 2, result: result() }],
    )
    // 60 s without 40 s of waits, and 7 s.
    assert.equal(countsOf(job).workMs, 27_000)
    const again = fromRecord(JSON.parse(JSON.stringify(toRecord(job))), job.jobId, job.status, NOON)
    assert.deepEqual(countsOf(again), countsOf(job))
  })

  test('is no time of the coordinator itself', () => {
    const job = after(
      pendingJob(),
      { ...CLAIM, workerId: 'local', leased: false },
      { type: 'succeed', attempt: 1, result: result() },
    )
    assert.equal(countsOf(job).workMs, 0)
  })

  test('stays when its first attempts are no longer kept', () => {
    const times = MAX_ATTEMPTS_KEPT + 20
    let job: Job = pendingJob()
    for (let number = 1; number <= times; number += 1)
      job = after(job, CLAIM, { type: 'release', attempt: number })
    assert.equal(job.attempts.length, MAX_ATTEMPTS_KEPT)
    assert.equal(countsOf(job).workMs, times * 1_000)
    const again = fromRecord(JSON.parse(JSON.stringify(toRecord(job))), job.jobId, job.status, NOON)
    assert.equal(countsOf(again).workMs, times * 1_000)
  })

  test('is the length of the recording as soon as an agent says it, also of a cancelled job', () => {
    const running = timed(pendingJob(), [0, CLAIM], [1, beat('transcribing', 120)])
    assert.equal(countsOf(running).mediaMs, 120_000)
    const over = (event: JobEvent): Counts => countsOf(timed(running, [2, event]))
    assert.equal(over({ type: 'cancel' }).mediaMs, 120_000)
    assert.equal(over({ type: 'release', attempt: 1 }).mediaMs, 120_000)
    assert.equal(over(failing(1, 'invalid_media', false)).mediaMs, 0)
    assert.equal(over({ type: 'succeed', attempt: 1, result: result() }).mediaMs, 60_000)
  })

  test('is no failure any more when it is retried', () => {
    const failed = after(pendingJob(), CLAIM, failing(1, 'invalid_media'))
    const again = after(failed, { type: 'retry', reserveFor: null })
    assert.deepEqual(countsOf(again), { ...NOTHING, jobs: 1, workMs: 1_000 })
  })
})

test('days are UTC, and end at midnight', () => {
  assert.equal(dayOf(NOON), TODAY)
  assert.equal(dayOf(Date.parse('2026-01-02T23:59:59.999Z')), TODAY)
  assert.equal(endOfDay(NOON), Date.parse('2026-01-03T00:00:00Z'))
  assert.equal(endOfDay(Date.parse('2026-01-02T00:00:00Z')), Date.parse('2026-01-03T00:00:00Z'))
})

/** The usage of a folder, with the jobs that a store would have. */
class Scene {
  readonly dir = tempFolder()
  readonly jobs = new Map<string, Job>()
  readonly errors: string[] = []
  usage!: FileUsage

  /** Opens it over what there is: without a `close` before, as after a kill. */
  async open(logBytes = 1e6): Promise<void> {
    this.usage = await FileUsage.open(this.jobs.values(), NOON, {
      dataDir: this.dir,
      onError: (message) => this.errors.push(message),
      logBytes,
    })
  }

  put(job: Job): void {
    const before = this.jobs.get(job.jobId) ?? null
    this.jobs.set(job.jobId, job)
    this.usage.onChange(before, job)
  }

  async remove(job: Job, fails: Error | null = null): Promise<void> {
    await this.usage.removing(job, async () => {
      if (fails !== null) throw fails
      this.jobs.delete(job.jobId)
    })
    this.usage.onChange(job, null)
  }

  async rows(day = TODAY): Promise<Record<string, Counts>> {
    const found = await this.usage.on(day)
    return Object.fromEntries([...found].map(([token, counts]) => [token ?? 'key', counts]))
  }

  files(): string[] {
    return readdirSync(path.join(this.dir, 'usage')).sort()
  }
}

function done(different: Partial<Job> = {}): Job {
  const job = pendingJob(different as Parameters<typeof pendingJob>[0])
  return after(job, CLAIM, { type: 'succeed', attempt: 1, result: result() })
}

const ONE: Counts = { ...NOTHING, jobs: 1, completed: 1, mediaMs: 60_000, workMs: 1_000 }
const times = (count: number): Counts =>
  Array.from({ length: count }, () => ONE).reduce((sum, one) => sumOf(sum, one), NOTHING)

describe('the usage of tokens', () => {
  test('follows each job by the day of its creation', async () => {
    const scene = new Scene()
    await scene.open()
    const old = pendingJob({ submittedBy: 't_1', createdAt: NOON - DAY })
    scene.put(old)
    scene.put(done({ submittedBy: 't_1' }))
    scene.put(pendingJob({ submittedBy: null }))
    scene.put(after(old, CLAIM, failing(1, 'invalid_media')))
    assert.deepEqual(await scene.rows(), { t_1: ONE, key: { ...NOTHING, jobs: 1 } })
    assert.deepEqual(await scene.rows('2026-01-01'), {
      t_1: { ...NOTHING, jobs: 1, failed: 1, workMs: 1_000 },
    })
    assert.deepEqual(await scene.usage.days('2025-12-31', '2026-01-05'), ['2026-01-01', TODAY])
    assert.deepEqual(await scene.usage.days(TODAY, TODAY), [TODAY])
  })

  test('has the length of a running job from its heartbeat on', async () => {
    const scene = new Scene()
    await scene.open()
    const running = after(pendingJob({ submittedBy: 't_1' }), CLAIM)
    scene.put(running)
    const heard = timed(running, [1, beat('transcribing', 90)])
    scene.usage.onDetail(running, heard)
    assert.equal(await scene.usage.mediaMsOf('t_1', TODAY), 90_000)
    scene.usage.onDetail(heard, timed(heard, [2, beat('transcribing', 90)]))
    assert.equal(await scene.usage.mediaMsOf('t_1', TODAY), 90_000)
  })

  test('stays when jobs are removed, over restarts and kills', async () => {
    const scene = new Scene()
    await scene.open()
    const jobs = [done({ submittedBy: 't_1' }), done({ submittedBy: 't_1' }), done()]
    for (const job of jobs) scene.put(job)
    await scene.remove(jobs[0]!)
    await scene.remove(jobs[2]!)
    const rows = { t_1: times(2), key: ONE }
    assert.deepEqual(await scene.rows(), rows)
    assert.equal(await scene.usage.mediaMsOf('t_1', TODAY), 120_000)
    for (const isClean of [false, true, true]) {
      if (isClean) await scene.usage.close()
      await scene.open()
      assert.deepEqual(await scene.rows(), rows)
      assert.equal(await scene.usage.mediaMsOf('t_1', TODAY), 120_000)
    }
    await scene.remove(jobs[1]!)
    await scene.open()
    assert.deepEqual(await scene.rows(), rows)
    assert.deepEqual(scene.errors, [])
  })

  test('counts a job once whose removal was written down and did not happen', async () => {
    const scene = new Scene()
    await scene.open()
    const job = done({ submittedBy: 't_1' })
    scene.put(job)
    const full = new AppError('no_space', 'full')
    for (const refused of [full, new Error('the disk is broken'), full]) {
      await assert.rejects(scene.remove(job, refused), refused)
      assert.deepEqual(await scene.rows(), { t_1: ONE })
      if (refused !== full) await scene.open()
      assert.deepEqual(await scene.rows(), { t_1: ONE })
    }
    await scene.remove(job)
    for (let round = 0; round < 2; round += 1) {
      assert.deepEqual(await scene.rows(), { t_1: ONE })
      await scene.open()
    }
  })

  test('counts a removed job and a later one of its id as two', async () => {
    const scene = new Scene()
    await scene.open()
    const first = done({ submittedBy: 't_1' })
    scene.put(first)
    await scene.remove(first)
    scene.put(done({ submittedBy: 't_1', jobId: first.jobId, createdAt: NOON + 1 }))
    assert.deepEqual(await scene.rows(), { t_1: times(2) })
    await scene.open()
    assert.deepEqual(await scene.rows(), { t_1: times(2) })
  })

  test('of very many removed jobs is one small file per day, and the end of a log', async () => {
    const scene = new Scene()
    await scene.open(2_000)
    const jobs = Array.from({ length: 60 }, (_, at) =>
      done({ submittedBy: `t_${at % 3}`, createdAt: NOON - (at % 2) * DAY }),
    )
    for (const job of jobs) scene.put(job)
    await Promise.all(jobs.slice(0, 20).map(async (job) => await scene.remove(job)))
    for (const job of jobs.slice(20)) await scene.remove(job)
    const check = async (): Promise<void> => {
      for (const day of [TODAY, '2026-01-01'])
        assert.deepEqual(await scene.rows(day), { t_0: times(10), t_1: times(10), t_2: times(10) })
    }
    await check()
    await scene.usage.close()
    const files = scene.files()
    assert.deepEqual(files.slice(0, 2), ['2026-01-01.json', '2026-01-02.json'])
    assert.equal(files.length, 3, files.join(' '))
    for (const name of files)
      assert.equal(statSync(path.join(scene.dir, 'usage', name)).mode & 0o777, 0o600)
    assert.equal(statSync(path.join(scene.dir, 'usage')).mode & 0o777, 0o700)
    await scene.open()
    await check()
    assert.deepEqual(scene.errors, [])
  })

  test('adds a log once, though its file comes back after a power cut', async () => {
    const scene = new Scene()
    await scene.open()
    const job = done({ submittedBy: 't_1' })
    scene.put(job)
    await scene.remove(job)
    const log = path.join(scene.dir, 'usage', 'removed-1.ndjson')
    const copy = path.join(scene.dir, 'copy')
    copyFileSync(log, copy)
    await scene.open()
    assert.ok(!scene.files().includes('removed-1.ndjson'))
    copyFileSync(copy, log)
    await scene.open()
    assert.deepEqual(await scene.rows(), { t_1: ONE })
  })

  test('adds what is removed after a backup was put back that has no log', async () => {
    const scene = new Scene()
    await scene.open()
    const jobs = [done({ submittedBy: 't_1' }), done({ submittedBy: 't_1' })]
    for (const job of jobs) scene.put(job)
    await scene.remove(jobs[0]!)
    await scene.open()
    for (const name of scene.files())
      if (name.endsWith('.ndjson')) rmSync(path.join(scene.dir, 'usage', name))
    await scene.open()
    await scene.remove(jobs[1]!)
    await scene.open()
    assert.deepEqual(await scene.rows(), { t_1: times(2) })
  })

  test('has a removal that failed and was repeated, though the log of the first comes back', async () => {
    const scene = new Scene()
    // Each write has a log of its own.
    await scene.open(1)
    const [job, other] = [done({ submittedBy: 't_1' }), done({ submittedBy: 't_1' })]
    scene.put(job)
    scene.put(other)
    const full = new AppError('no_space', 'full')
    await Promise.all([scene.remove(other), assert.rejects(scene.remove(job, full), full)])
    const log = path.join(scene.dir, 'usage', 'removed-1.ndjson')
    const copy = path.join(scene.dir, 'copy')
    copyFileSync(log, copy)
    await scene.remove(job)
    await scene.usage.close()
    assert.deepEqual(scene.files(), [`${TODAY}.json`, 'removed-2.ndjson'])
    copyFileSync(copy, log)
    for (let round = 0; round < 2; round += 1) {
      await scene.open()
      assert.deepEqual(await scene.rows(), { t_1: times(2) })
    }
  })

  test('ignores the torn end of a log', async () => {
    const scene = new Scene()
    await scene.open()
    const [job, other] = [done({ submittedBy: 't_1' }), done({ submittedBy: 't_1' })]
    scene.put(job)
    scene.put(other)
    await scene.remove(job)
    const log = path.join(scene.dir, 'usage', 'removed-1.ndjson')
    writeFileSync(log, `${readFileSync(log, 'utf8')}{"crc":"0000`)
    await scene.open()
    assert.deepEqual(await scene.rows(), { t_1: times(2) })
  })

  test('says which file is damaged, and loses nothing', async () => {
    const scene = new Scene()
    await scene.open()
    const job = done({ submittedBy: 't_1' })
    scene.put(job)
    await scene.remove(job)
    await scene.open()
    const file = path.join(scene.dir, 'usage', `${TODAY}.json`)
    const text = readFileSync(file, 'utf8')
    writeFileSync(file, text.slice(0, 20))
    await assert.rejects(scene.rows(), /usage\/2026-01-02\.json cannot be read .* mend the file/)
    writeFileSync(file, text)
    assert.deepEqual(await scene.rows(), { t_1: ONE })
  })
})

test('rows are by name, as CSV that a spreadsheet reads', () => {
  const names = new Map([
    ['t_1', 'website'],
    ['t_2', 'a "b", c'],
  ])
  const rows = rowsOf(
    TODAY,
    [
      ['t_1', { ...ONE, mediaMs: 1_500 }],
      [null, ONE],
      ['t_3', ONE],
      ['t_2', ONE],
    ],
    names,
  )
  assert.equal(
    csvOf(rows),
    [
      '2026-01-02,t_2,"a ""b"", c",1,1,0,0,60,1',
      '2026-01-02,,api-key,1,1,0,0,60,1',
      '2026-01-02,t_3,,1,1,0,0,60,1',
      '2026-01-02,t_1,website,1,1,0,0,1.5,1',
      '',
    ].join('\r\n'),
  )
})
