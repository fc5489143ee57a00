import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { AppError } from '../../shared/errors.ts'
import { SECOND } from '../../shared/duration.ts'
import { until } from '../coordinator/running.ts'
import { DONE, FAILED, startRunner } from './runner.ts'

describe('what follows an end', () => {
  test('is tried at once, each step of it', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended('completed')
    await until(() => run.tries.length === 2)
    assert.deepEqual(run.tries.map(({ name }) => name).toSorted(), ['ingest', 'webhook'])
    for (const one of run.tries) one.end(DONE)
    await until(
      () => run.at(jobId, 'ingest')[0] === 'done' && run.at(jobId, 'webhook')[0] === 'done',
    )
    run.continuations.look()
    assert.equal(run.tries.length, 2)
  })

  test('is tried again after its pause, while the other steps go on', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended('completed')
    await until(() => run.tries.length === 2)
    const [webhook, ingest] = ['webhook', 'ingest'].map((name) =>
      run.tries.find((one) => one.name === name),
    )
    webhook!.end(FAILED)
    await until(() => run.at(jobId, 'webhook')[1] === 1)
    assert.deepEqual(run.at(jobId, 'webhook'), ['pending', 1, SECOND])
    ingest!.end(DONE)
    await until(() => run.at(jobId, 'ingest')[0] === 'done')
    run.clock.now += SECOND - 1
    run.continuations.look()
    assert.equal(run.tries.length, 2)
    run.clock.now += 1
    run.continuations.look()
    await until(() => run.tries.length === 3)
    assert.deepEqual([run.tries[2]!.name, run.tries[2]!.id], ['webhook', webhook!.id])
  })

  test('is tried again when its try throws', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    run.tries[0]!.fail(new Error('out of luck'))
    await until(() => run.at(jobId, 'webhook')[1] === 1)
    assert.deepEqual(run.at(jobId, 'webhook'), ['pending', 1, SECOND])
    assert.equal(run.job(jobId).continuation!.steps[0]!.lastError, 'out of luck')
  })

  test('is over when its try says that no other can help', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    run.tries[0]!.end({ done: false, message: 'gone', final: true, retryAfterMs: null })
    await until(() => run.at(jobId, 'webhook')[0] === 'failed')
    assert.deepEqual(run.at(jobId, 'webhook'), ['failed', 1, null])
  })

  test('is logged in one line per outcome, without what the other side has said', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    run.tries[0]!.end({ ...FAILED, message: 'a secret in https://receiver.example/hook' })
    await until(() => run.logged.length === 1)
    const { job_id: id, step, try: number, state } = run.logged[0]!
    assert.deepEqual([id, step, number, state], [jobId, 'webhook', 1, 'pending'])
    assert.doesNotMatch(JSON.stringify(run.logged), /receiver\.example|secret/)
  })

  test('is tried two at a time for one receiver, and sixteen in all', async (t) => {
    const run = await startRunner(t)
    for (let n = 0; n < 4; n += 1) await run.ended('failed', 'https://slow.example/hook')
    await until(() => run.tries.length === 2)
    for (let n = 0; n < 20; n += 1) await run.ended('failed', `https://host${n}.example/hook`)
    await until(() => run.tries.length === 16)
    run.continuations.look()
    assert.equal(run.tries.length, 16)
    const slow = run.tries[0]!
    slow.end(DONE)
    await until(() => run.tries.length === 17)
    for (let n = 0; n < 24; n += 1) {
      await until(() => run.tries.length > n)
      run.tries[n]!.end(DONE)
    }
    assert.equal(new Set(run.tries.map(({ jobId }) => jobId)).size, 24)
  })

  test('is over when the job has been removed', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    await run.jobs.remove(jobId, async () => 0)
    run.tries[0]!.end(DONE)
    const other = await run.ended()
    await until(() => run.tries.length === 2)
    run.tries[1]!.end(DONE)
    await until(() => run.at(other, 'webhook')[0] === 'done')
  })

  test('is logged when the job is removed before it was done, and not when it was', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended('completed')
    await until(() => run.tries.length === 2)
    run.tries.find(({ name }) => name === 'ingest')!.end(DONE)
    await until(() => run.at(jobId, 'ingest')[0] === 'done')
    run.tries.find(({ name }) => name === 'webhook')!.end(FAILED)
    await until(() => run.at(jobId, 'webhook')[1] === 1)
    await run.jobs.remove(jobId, async () => 0)
    const { level, job_id: id, step, state } = run.logged.at(-1)!
    assert.deepEqual([level, id, step, state], [40, jobId, 'webhook', 'removed'])
    assert.equal(run.logged.filter((line) => line['state'] === 'removed').length, 1)
  })

  test('keeps its receiver no longer than the try, though the outcome takes long to write down', async (t) => {
    const run = await startRunner(t)
    for (let n = 0; n < 3; n += 1) await run.ended('failed', 'https://slow.example/hook')
    await until(() => run.tries.length === 2)
    const resume = run.store.hold()
    run.tries[0]!.end(DONE)
    await until(() => run.tries.length === 3)
    assert.equal(run.store.held, 1)
    resume()
    for (const one of run.tries) one.end(DONE)
    await until(() => run.tries.every(({ jobId }) => run.at(jobId, 'webhook')[0] === 'done'))
  })
})

describe('a job that is brought back', () => {
  test('drops what was to follow its first end; what follows its next has another id', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    run.tries[0]!.end(FAILED)
    await until(() => run.at(jobId, 'webhook')[1] === 1)
    await run.jobs.apply(jobId, { type: 'retry', reserveFor: null })
    run.clock.now += SECOND
    run.continuations.look()
    assert.equal(run.tries.length, 1)
    await run.failAgain(jobId)
    await until(() => run.tries.length === 2)
    assert.notEqual(run.tries[1]!.id, run.tries[0]!.id)
  })

  test('takes no outcome of a try that began before', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    await run.jobs.apply(jobId, { type: 'retry', reserveFor: null })
    await run.failAgain(jobId)
    await until(() => run.tries.length === 2)
    run.tries[0]!.end(DONE)
    run.tries[1]!.end(FAILED)
    await until(() => run.at(jobId, 'webhook')[1] === 1)
    assert.equal(run.at(jobId, 'webhook')[0], 'pending')
  })
})

describe('a restart', () => {
  test('takes up what was under way, with the same id and no try counted', async (t) => {
    const before = await startRunner(t)
    const jobId = await before.ended('completed')
    await until(() => before.tries.length === 2)
    before.tries.find(({ name }) => name === 'ingest')!.end(DONE)
    await until(() => before.at(jobId, 'ingest')[0] === 'done')
    const run = await before.restart()
    await until(() => run.tries.length === 1)
    assert.equal(run.tries[0]!.id, before.tries[0]!.id)
    assert.deepEqual(run.at(jobId, 'webhook'), ['pending', 0, 0])
    run.tries[0]!.end(DONE)
    await until(() => run.at(jobId, 'webhook')[0] === 'done')
    run.continuations.look()
    assert.equal(run.tries.length, 1)
  })

  test('goes on waiting for what is not due yet', async (t) => {
    const before = await startRunner(t)
    const jobId = await before.ended()
    await until(() => before.tries.length === 1)
    before.tries[0]!.end(FAILED)
    await until(() => before.at(jobId, 'webhook')[1] === 1)
    const run = await before.restart()
    run.continuations.look()
    assert.equal(run.tries.length, 0)
    run.clock.now += SECOND
    run.continuations.look()
    await until(() => run.tries.length === 1)
  })

  test('is not held up: what is under way is cut', async (t) => {
    const run = await startRunner(t)
    await run.ended()
    await until(() => run.tries.length === 1)
    await run.close()
    assert.equal(run.tries[0]!.signal.aborted, true)
  })
})

test('an outcome that cannot be written down is written later, and delivered once', async (t) => {
  const run = await startRunner(t)
  const jobId = await run.ended()
  await until(() => run.tries.length === 1)
  const { put } = run.store
  let refused = 0
  run.store.put = async () => {
    refused += 1
    throw new AppError('unavailable', 'The journal is broken.')
  }
  run.tries[0]!.end(DONE)
  await until(() => refused >= 3)
  assert.equal(run.logged.length, 1)
  run.store.put = put
  await until(() => run.at(jobId, 'webhook')[0] === 'done')
  assert.equal(run.tries.length, 1)
})

describe('by hand', () => {
  test('a step that was given up, or done, begins again; the others stay as they are', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended('completed')
    await until(() => run.tries.length === 2)
    for (const one of run.tries) {
      one.end(one.name === 'ingest' ? DONE : { ...FAILED, final: true })
    }
    await until(
      () => run.at(jobId, 'webhook')[0] === 'failed' && run.at(jobId, 'ingest')[0] === 'done',
    )
    await run.continuations.retry(jobId, null)
    await until(() => run.tries.length === 3)
    assert.deepEqual([run.tries[2]!.name, run.tries[2]!.id], ['webhook', run.tries[0]!.id])
    run.tries[2]!.end(DONE)
    await until(() => run.at(jobId, 'webhook')[0] === 'done')
    await run.continuations.retry(jobId, ['ingest'])
    await until(() => run.tries.length === 4)
    assert.equal(run.tries[3]!.name, 'ingest')
    assert.deepEqual(run.at(jobId, 'webhook'), ['done', 1, null])
  })

  test('a step that waits is tried at once', async (t) => {
    const run = await startRunner(t)
    const jobId = await run.ended()
    await until(() => run.tries.length === 1)
    run.tries[0]!.end(FAILED)
    await until(() => run.at(jobId, 'webhook')[1] === 1)
    await run.continuations.retry(jobId, null)
    await until(() => run.tries.length === 2)
    assert.deepEqual(run.at(jobId, 'webhook'), ['pending', 0, 0])
  })

  for (const [how, outcome] of [
    ['has been done', DONE],
    ['has failed', FAILED],
    ['was given up', { ...FAILED, final: true }],
  ] as const) {
    test(`a step that is under way is begun again when that try ${how}, and not twice at once`, async (t) => {
      const run = await startRunner(t)
      const jobId = await run.ended()
      await until(() => run.tries.length === 1)
      await run.continuations.retry(jobId, ['webhook'])
      run.continuations.look()
      assert.equal(run.tries.length, 1)
      run.tries[0]!.end(outcome)
      await until(() => run.tries.length === 2)
      assert.deepEqual(run.at(jobId, 'webhook'), ['pending', 0, 0])
      run.tries[1]!.end(DONE)
      await until(() => run.at(jobId, 'webhook')[0] === 'done')
      assert.deepEqual(run.at(jobId, 'webhook'), ['done', 1, null])
      assert.equal(run.tries.length, 2)
    })
  }

  test('a step that waits for its receiver is tried when that is free, though it was due before', async (t) => {
    const run = await startRunner(t)
    for (let n = 0; n < 2; n += 1) await run.ended('failed', 'https://slow.example/hook')
    await until(() => run.tries.length === 2)
    const jobId = await run.ended('failed', 'https://slow.example/hook')
    run.continuations.look()
    run.clock.now += 1
    await run.continuations.retry(jobId, ['webhook'])
    run.continuations.look()
    run.tries[0]!.end(DONE)
    await until(() => run.tries.length === 3)
    run.tries[2]!.end(DONE)
    await until(() => run.at(jobId, 'webhook')[0] === 'done')
    assert.equal(run.tries.length, 3)
  })

  test('nothing begins again that does not follow', async (t) => {
    const run = await startRunner(t)
    const silent = await run.ended('failed', null)
    const refused = async (jobId: string, code: string): Promise<void> =>
      await assert.rejects(run.continuations.retry(jobId, ['folder']), { code })
    await refused(silent, 'conflict')
    await refused(await run.ended(), 'invalid')
    await run.jobs.apply(silent, { type: 'retry', reserveFor: null })
    await refused(silent, 'conflict')
    await refused('00000000-0000-4000-8000-ffffffffffff', 'not_found')
  })
})
