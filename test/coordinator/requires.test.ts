import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { receivedOf } from '../../coordinator/blobs/transcript-work.ts'
import { API_KEY_HOLDER } from '../../coordinator/access/principal.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { Kinds } from '../../coordinator/job/queue.ts'
import { NO_REQUIREMENTS, requirementsOf } from '../../coordinator/job/requirements.ts'
import type { Capabilities, PausedSlot } from '../../shared/announcement.ts'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { assembled, type Assembled } from './assembled.ts'
import { NOON } from './example-jobs.ts'
import { claim, createJob, startRunning, until, type Answer, type Running } from './running.ts'

const CAN: Capabilities = {
  engines: ['whisper-cpp'],
  models: ['base'],
  languages: ['de'],
  features: ['words'],
}
const GERMAN = { taskOptions: { requires: { language: 'de', words: true } } }
const SPEAKERS = { taskOptions: { requires: { diarize: true } } }
const LONG = { waitMs: 60 * SECOND }

const ids = (jobs: { jobId: string }[]): string[] => jobs.map(({ jobId }) => jobId)
const announce = ({ workers }: Assembled, workerId: string, can: Capabilities | null): void =>
  void workers.update(workerId, { capabilities: can })

describe('a job that requires something', () => {
  test('goes to a worker that has said that it has it, and to no other', async (t) => {
    const all = await assembled(t)
    const [german, speakers] = [await all.add(GERMAN), await all.add(SPEAKERS)]
    announce(all, 'able', CAN)
    assert.deepEqual(await all.claim({ workerId: 'silent', maxJobs: 9 }), [])
    assert.deepEqual(ids(await all.claim({ workerId: 'able', maxJobs: 9 })), [german])
    announce(all, 'able', { ...CAN, features: ['diarize'] })
    assert.deepEqual(ids(await all.claim({ workerId: 'able', maxJobs: 9 })), [speakers])
  })

  test('does not go to a worker that has said it before and says nothing now', async (t) => {
    const all = await assembled(t)
    await all.add(GERMAN)
    announce(all, 'w1', CAN)
    announce(all, 'w1', null)
    assert.deepEqual(await all.claim(), [])
  })

  test('never goes to a worker of the original protocol', async (t) => {
    const all = await assembled(t)
    const plain = await all.add()
    await all.add({ ...GERMAN, priority: 5 })
    announce(all, 'old', CAN)
    assert.deepEqual(ids(await all.claim({ workerId: 'old', claimId: null, maxJobs: 9 })), [plain])
  })

  test('goes to the one that waits and can do it, past those before it in line', async (t) => {
    const all = await assembled(t)
    announce(all, 'able', CAN)
    const first = all.claim({ workerId: 'unable', ...LONG })
    const second = all.claim({ workerId: 'able', ...LONG })
    const german = await all.add(GERMAN)
    assert.deepEqual(ids(await second), [german])
    const plain = await all.add()
    assert.deepEqual(ids(await first), [plain])
  })

  test('goes to a worker that says only while it waits that it can do it', async (t) => {
    const all = await assembled(t)
    const german = await all.add(GERMAN)
    const waiting = all.claim(LONG)
    announce(all, 'w2', CAN)
    announce(all, 'w1', { ...CAN, features: [] })
    assert.equal(all.claims.waiting, 1)
    announce(all, 'w1', CAN)
    assert.deepEqual(ids(await waiting), [german])
  })

  test('that no worker can do holds up no other', async (t) => {
    const all = await assembled(t)
    for (let n = 0; n < 100; n += 1) await all.add({ ...SPEAKERS, priority: 9 })
    announce(all, 'w1', CAN)
    const plain = await all.add()
    assert.deepEqual(ids(await all.claim({ maxJobs: 9 })), [plain])
  })

  test('that becomes available again goes only to who can do it', async (t) => {
    t.mock.timers.enable({ apis: ['setTimeout', 'Date'], now: NOON })
    const all = await assembled(t, { now: Date.now })
    await all.add({ ...GERMAN, availableAt: NOON + SECOND })
    announce(all, 'able', CAN)
    const unable = all.claim({ workerId: 'unable', ...LONG })
    const able = all.claim({ workerId: 'able', ...LONG, prefetch: true })
    t.mock.timers.tick(SECOND)
    assert.equal((await able).length, 1)
    assert.equal(all.claims.waiting, 1)
    all.claims.close()
    assert.deepEqual(await unable, [])
    t.mock.timers.reset()
  })
})

describe('a job in a language', () => {
  const IN_GERMAN = { taskOptions: { language: 'de-AT' } }
  const ENGLISH: Capabilities = { ...CAN, languages: ['en'] }

  test('goes past workers that know others only, to one that knows it', async (t) => {
    const all = await assembled(t)
    announce(all, 'english', ENGLISH)
    announce(all, 'any', { ...CAN, languages: null })
    const first = all.claim({ workerId: 'english', ...LONG })
    const second = all.claim({ workerId: 'any', ...LONG })
    const german = await all.add(IN_GERMAN)
    assert.deepEqual(ids(await second), [german])
    assert.equal(all.claims.waiting, 1)
    all.claims.close()
    await first
  })

  test('waits while no worker here knows it, and says so', async (t) => {
    const all = await assembled(t)
    announce(all, 'w1', ENGLISH)
    all.workers.update('w1', { contentTypes: ['audio'] })
    const german = await all.add(IN_GERMAN)
    assert.deepEqual(await all.claim(), [])
    const { waitingFor } = await all.views.detail(all.job(german))
    assert.equal(waitingFor, 'a worker for audio that has language de')
  })

  test('goes to a worker of the original protocol, and to one that has said nothing', async (t) => {
    const all = await assembled(t)
    const [one, two] = [await all.add(IN_GERMAN), await all.add(IN_GERMAN)]
    assert.deepEqual(ids(await all.claim({ workerId: 'old', claimId: null })), [one])
    assert.deepEqual(ids(await all.claim({ workerId: 'silent' })), [two])
  })
})

describe('a job that its worker cannot do', () => {
  const cannot = async (all: Assembled, jobId: string, attempt: number): Promise<unknown> =>
    await all.attempts.finish(
      jobId,
      receivedOf({
        success: false,
        errorCode: 'unsupported_language',
        errorMessage: 'The engine moonshine knows en only.',
        leaseToken: all.tokens.issue('lease', all.job(jobId), attempt),
      }),
      API_KEY_HOLDER,
    )

  test('goes to another, not to it nor to one like it again, and says what it waits for', async (t) => {
    const all = await assembled(t)
    for (const one of ['w1', 'like-w1']) announce(all, one, { ...CAN, languages: null })
    announce(all, 'other', { ...CAN, engines: ['whisperx'] })
    for (const one of ['w1', 'like-w1', 'other'])
      all.workers.update(one, { contentTypes: ['audio'] })
    const jobId = await all.add()
    await all.claim()
    const waiting = all.claim({ workerId: 'like-w1', ...LONG })
    await cannot(all, jobId, 1)
    const { retryCount, waitingFor, errorCode } = await all.views.detail(all.job(jobId))
    assert.deepEqual([retryCount, waitingFor, errorCode], [0, null, 'unsupported_language'])
    assert.deepEqual(await all.claim(), [])
    assert.equal(all.claims.waiting, 1)
    all.workers.direct('other', 'drain')
    const lacking =
      'a worker for audio that has a capability that the workers which gave it back lack'
    assert.equal((await all.views.detail(all.job(jobId))).waitingFor, lacking)
    all.workers.direct('other', 'run')
    assert.deepEqual(ids(await all.claim({ workerId: 'other' })), [jobId])
    all.claims.close()
    await waiting
  })

  test('goes to it again once it says that it can do more, or by hand', async (t) => {
    const all = await assembled(t)
    announce(all, 'w1', CAN)
    const jobId = await all.add()
    await all.claim()
    await cannot(all, jobId, 1)
    announce(all, 'w1', { ...CAN, engines: ['whisper-cpp', 'whisperx'] })
    assert.deepEqual(ids(await all.claim()), [jobId])
    await cannot(all, jobId, 2)
    assert.deepEqual(await all.claim(), [])
    await all.jobs.apply(jobId, { type: 'retry', reserveFor: 'w1' })
    assert.deepEqual(ids(await all.claim()), [jobId])
  })

  test('does not count towards setting its worker aside', async (t) => {
    const all = await assembled(t)
    announce(all, 'w1', CAN)
    all.jobs.subscribe(all.workers)
    for (let n = 0; n < 12; n += 1) {
      const jobId = await all.add()
      await all.claim()
      all.clock.now += SECOND
      await cannot(all, jobId, 1)
      all.clock.now += SECOND
    }
    assert.equal(all.workers.setAsideOf('w1'), null)
  })
})

describe('kinds of jobs that wait', () => {
  test('are a hundred of one submitter; one more is a 429 until one of them is done', async (t) => {
    const running = await startRunning(t)
    const file = running.file('a.mp3')
    const make = async (model: string): Promise<Answer> =>
      await running.ask('POST', '/remote-jobs/', {
        json: {
          source_file_path: file,
          content_type: 'audio',
          ingestion_task_id: 't',
          task_options: { requires: { model } },
        },
      })
    const made: Answer[] = []
    for (let n = 0; n < 100; n += 1) made.push(await make(`model-${n}`))
    const refused = await make('one more')
    assert.deepEqual([refused.status, refused.body['code']], [429, 'too_many_requests'])
    assert.match(String(refused.body['detail']), /100 kinds/)
    assert.equal((await make('model-7')).status, 200)
    await running.ask('DELETE', `/remote-jobs/${String(made[3]!.body['job_id'])}`)
    assert.equal((await make('one more')).status, 200)
  })

  test('are each submitter’s own', () => {
    const kinds = new Kinds()
    const kind = (submittedBy: string, n: number): Parameters<Kinds['add']>[0] => ({
      submittedBy,
      contentType: `type-${n}`,
      requirements: NO_REQUIREMENTS,
    })
    for (let n = 0; n < 100; n += 1) kinds.add(kind('a', n))
    assert.equal(kinds.isOneTooMany(kind('a', 100)), true)
    assert.equal(kinds.isOneTooMany(kind('b', 100)), false)
    kinds.add(kind('a', 5))
    kinds.delete(kind('a', 5))
    assert.equal(kinds.isOneTooMany(kind('a', 100)), true)
    kinds.delete(kind('a', 5))
    assert.equal(kinds.isOneTooMany(kind('a', 100)), false)
  })
})

test('a job that no waiting worker may have costs one look for each ability among them', async (t) => {
  const all = await assembled(t)
  let looks = 0
  const ability = {
    ...CAN,
    get features() {
      looks += 1
      return ['words']
    },
  }
  for (let n = 0; n < 50; n += 1) {
    all.workers.update(`w${n}`, { capabilities: ability })
    void all.claim({ workerId: `w${n}`, ...LONG })
  }
  for (let n = 0; n < 50; n += 1)
    await all.add({ taskOptions: { requires: { diarize: true, model: `m${n}` } } })
  looks = 0
  await all.add(SPEAKERS)
  assert.equal(looks, 1)
})

describe('the slots for a job', () => {
  const need = requirementsOf(GERMAN)
  const audio = { contentTypes: ['audio'], slots: 4 }

  test('are those of workers that can do it and are not paused', () => {
    const workers = new Workers(() => NOON)
    const rest = (slot: number): PausedSlot => ({ slot, reason: 'failures', until: null })
    workers.update('a', { ...audio, capabilities: CAN, paused: [rest(0), rest(1), rest(1)] })
    workers.update('b', { ...audio, slots: 1, paused: [rest(0), rest(7)] })
    workers.update('c', { ...audio, contentTypes: ['video'] })
    assert.equal(workers.ableTo('audio').slots, 2)
    assert.equal(workers.ableTo('audio', need).slots, 2)
    workers.update('b', { paused: [] })
    assert.equal(workers.ableTo('audio').slots, 3)
    assert.equal(workers.ableTo('audio', need).slots, 2)
  })

  test('exist while a worker that can do it is here and not drained', () => {
    let now = NOON
    const workers = new Workers(() => now)
    assert.equal(workers.hasFor('audio', need), false)
    workers.update('a', { ...audio, capabilities: CAN })
    assert.equal(workers.hasFor('audio', need), true)
    assert.equal(workers.hasFor('video', need), false)
    workers.direct('a', 'drain')
    assert.equal(workers.hasFor('audio', need), false)
    workers.direct('a', 'run')
    now += 2 * MINUTE + 1
    assert.equal(workers.hasFor('audio', need), false)
  })
})

describe('a job that no worker can do now', () => {
  test('says so in place of an estimate, whether they are drained, silent or cannot', async (t) => {
    const all = await assembled(t)
    const status = async (jobId: string): Promise<unknown[]> => {
      const { estimatedCompletion, waitingFor } = await all.views.status(all.job(jobId))
      return [estimatedCompletion !== null, waitingFor]
    }
    announce(all, 'w1', { ...CAN, languages: ['en'] })
    all.workers.update('w1', { contentTypes: ['audio'] })
    const first = await all.add()
    await all.claim()
    all.clock.now += SECOND
    const leaseToken = all.tokens.issue('lease', all.job(first), 1)
    const done = receivedOf({ success: true, content: '# A', leaseToken })
    await all.attempts.finish(first, done, API_KEY_HOLDER)
    all.estimates.learn(all.job(first))
    const [plain, german] = [await all.add(), await all.add({ taskOptions: { language: 'de' } })]
    assert.deepEqual(await status(plain), [true, null])
    assert.deepEqual(await status(german), [false, 'a worker for audio that has language de'])
    all.workers.direct('w1', 'drain')
    assert.deepEqual(await status(plain), [false, 'a worker for audio'])
    all.workers.direct('w1', 'run')
    assert.deepEqual(await status(plain), [true, null])
    all.clock.now += 2 * MINUTE + 1
    assert.deepEqual(await status(plain), [false, 'a worker for audio'])
  })
})

describe('over HTTP', () => {
  const beat = async (running: Running, json: object = {}): Promise<Answer> =>
    await running.ask('POST', '/workers/w1/heartbeat', {
      json: { state: 'idle', version: '1', slots: 1, jobs: [], ...json },
    })
  const waitingFor = async (running: Running, id: string): Promise<unknown> =>
    (await running.ask('GET', `/remote-jobs/${id}`)).body['waiting_for']

  test('a job says what it waits for while no connected worker has it', async (t) => {
    const running = await startRunning(t)
    const requires = { diarize: true, language: 'de-AT', engine: null }
    const id = await createJob(running, { task_options: { requires } })
    const plain = await createJob(running)
    const lacking = 'a worker for audio that has diarize, language de'
    assert.equal(await waitingFor(running, id), lacking)
    assert.equal(await waitingFor(running, plain), 'a worker for audio')
    await claim(running)
    await beat(running, { capabilities: CAN })
    assert.equal(await waitingFor(running, id), lacking)
    await beat(running, { capabilities: { ...CAN, features: ['diarize'] } })
    assert.equal(await waitingFor(running, id), null)
    const [job] = await claim(running)
    assert.equal(job?.job_id, id)
    assert.deepEqual(job['task_options'], { requires })
    assert.equal(await waitingFor(running, id), null)
  })

  test('a heartbeat that says more gives a waiting claim its job', async (t) => {
    const running = await startRunning(t)
    const id = await createJob(running, { task_options: { requires: { words: true } } })
    const waiting = claim(running, { wait_seconds: 30 })
    await until(async () => {
      return (await running.ask('GET', '/health')).body['waiting_claims'] === 1
    })
    await beat(running, { capabilities: CAN })
    assert.equal((await waiting)[0]?.job_id, id)
  })

  test('impossible requirements are a 422 in JSON and in a form, and nothing stays', async (t) => {
    const running = await startRunning(t)
    const options = { requires: { diarise: true, words: 'yes' } }
    const file = running.file('a.mp3')
    const fields = { source_file_path: file, content_type: 'audio', ingestion_task_id: 't' }
    const json = await running.ask('POST', '/remote-jobs/', {
      json: { ...fields, task_options: options },
    })
    const form = new FormData()
    form.set('content_type', 'audio')
    form.set('task_options', JSON.stringify(options))
    form.set('file', new File(['speech'], 'a.mp3'))
    const sent = await fetch(`${running.url}/api/v1/remote-jobs`, { method: 'POST', body: form })
    const multipart = (await sent.json()) as Record<string, unknown>
    assert.deepEqual([json.status, sent.status], [422, 422])
    assert.deepEqual(json.body, multipart)
    const detail = json.body['detail'] as { loc: string[]; msg: string }[]
    assert.deepEqual(
      detail.map(({ loc }) => loc.join('.')),
      ['body.task_options.requires.diarise', 'body.task_options.requires.words'],
    )
    assert.match(detail[0]!.msg, /unknown: use one of diarize, translate, words/)
    const { body } = await running.ask('GET', '/remote-jobs/')
    assert.deepEqual(body['jobs'], [])
  })
})
