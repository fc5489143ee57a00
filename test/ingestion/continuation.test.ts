import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import {
  afterTry,
  again,
  nextDueAt,
  startContinuation,
  undone,
  type Continuation,
  type Step,
  type StepName,
  type Tried,
} from '../../coordinator/job/continuation.ts'
import { DueSteps, type DueStep } from '../../coordinator/ingestion/due-steps.ts'
import { stepsFor } from '../../coordinator/ingestion/steps.ts'
import { hasEnded, type EndedJob } from '../../coordinator/job/job.ts'
import { DAY, HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import { NOON, oneOfEach, pendingJob, after, CLAIM, result } from '../coordinator/example-jobs.ts'

const FAILED: Tried = { done: false, message: 'it is down', final: false, retryAfterMs: null }

function started(...names: StepName[]): Continuation {
  return startContinuation('an id', names, NOON)!
}

function step(continuation: Continuation, name: StepName = 'webhook'): Step {
  return continuation.steps.find((one) => one.name === name)!
}

/** The pauses after one failed try after the other, until it is given up. */
function pauses(random: number): number[] {
  const found: number[] = []
  let continuation = started('webhook')
  for (let now = NOON; nextDueAt(continuation) !== null; now = nextDueAt(continuation)!) {
    continuation = afterTry(continuation, 'webhook', FAILED, { now, random })
    const next = nextDueAt(continuation)
    if (next === null) break
    found.push(next - now)
  }
  assert.equal(step(continuation).state, 'failed')
  return found
}

describe('what follows an end', () => {
  test('begins with all its steps due', () => {
    const continuation = started('webhook', 'folder')
    assert.deepEqual(
      continuation.steps.map(({ nextAt }) => nextAt),
      [NOON, NOON],
    )
    assert.deepEqual(undone(continuation), ['webhook', 'folder'])
    assert.equal(nextDueAt(continuation), NOON)
    assert.equal(startContinuation('an id', [], NOON), null)
  })

  test('is tried for two days, with longer and longer pauses, and then given up', () => {
    const expected = [1, 5, 30, 300, 1_800, 7_200, 21_600, 43_200, 86_400].map((s) => s * SECOND)
    assert.deepEqual(pauses(0), expected)
  })

  test('leaves a fifth of each pause to chance', () => {
    assert.deepEqual(pauses(0.5).slice(0, 3), [1_100, 5_500, 33_000])
    assert.ok(
      pauses(0.999).every((pause, n) => pause >= pauses(0)[n]! && pause <= pauses(0)[n]! * 1.2),
    )
  })

  test('waits as long as the receiver asks, when that is longer', () => {
    const next = (retryAfterMs: number): number | null =>
      nextDueAt(
        afterTry(
          started('webhook'),
          'webhook',
          { ...FAILED, retryAfterMs },
          { now: NOON, random: 0 },
        ),
      )
    assert.equal(next(2 * HOUR), NOON + 2 * HOUR)
    assert.equal(next(1), NOON + SECOND)
  })

  test('is over at once when no other try can help', () => {
    const gone = afterTry(
      started('webhook'),
      'webhook',
      { ...FAILED, final: true },
      {
        now: NOON,
        random: 0,
      },
    )
    const { state, tries, nextAt, lastAt, lastError } = step(gone)
    assert.deepEqual(
      [state, tries, nextAt, lastAt, lastError],
      ['failed', 1, null, NOON, 'it is down'],
    )
  })

  test('goes its own way in each step', () => {
    const first = afterTry(started('webhook', 'ingest'), 'webhook', FAILED, {
      now: NOON,
      random: 0,
    })
    const both = afterTry(first, 'ingest', { done: true }, { now: NOON + 5, random: 0 })
    assert.equal(step(both, 'ingest').state, 'done')
    assert.equal(step(both).nextAt, NOON + SECOND)
    assert.deepEqual(undone(both), ['webhook'])
    assert.equal(step(both).nextAt, NOON + SECOND)
  })

  test('forgets its error once it is done', () => {
    const failed = afterTry(started('webhook'), 'webhook', FAILED, { now: NOON, random: 0 })
    const done = afterTry(failed, 'webhook', { done: true }, { now: NOON + MINUTE, random: 0 })
    const { state, tries, nextAt, lastError } = step(done)
    assert.deepEqual([state, tries, nextAt, lastError], ['done', 2, null, null])
    assert.equal(nextDueAt(done), null)
  })

  test('begins again by hand with all its tries and the same id', () => {
    const given = afterTry(
      started('webhook', 'folder'),
      'webhook',
      { ...FAILED, final: true },
      {
        now: NOON,
        random: 0,
      },
    )
    const anew = again(given, ['webhook'], NOON + DAY)
    assert.equal(anew.id, given.id)
    const { state, tries, nextAt, lastAt } = step(anew)
    assert.deepEqual([state, tries, nextAt, lastAt], ['pending', 0, NOON + DAY, NOON])
    assert.deepEqual(step(anew, 'folder'), step(given, 'folder'))
  })
})

describe('which steps follow', () => {
  const both = { moragUrl: 'http://morag', outputDir: '/texts' }
  const ingestion = {
    mode: 'ingest',
    local: false,
    sourceType: 'file',
    mediaType: null,
    documentId: null,
    webhook: null,
    metadata: {},
    processingOptions: {},
    ingestOptions: {},
  }
  const webhook = { url: 'https://a.example', authToken: null, secret: null, progress: false }
  function completed(different: Parameters<typeof pendingJob>[0] = {}): EndedJob {
    const job = after(pendingJob(different), CLAIM, {
      type: 'succeed',
      attempt: 1,
      result: result(),
    })
    assert.ok(hasEnded(job))
    return job
  }

  test('a completed job has its text ingested and written, where that is set', () => {
    assert.deepEqual(stepsFor(completed(), both), ['ingest', 'folder'])
    assert.deepEqual(stepsFor(completed(), { ...both, moragUrl: null }), ['folder'])
    assert.deepEqual(stepsFor(completed(), { moragUrl: null, outputDir: null }), [])
  })

  test('a client that wants the text alone does not have it ingested', () => {
    const converted = completed({ ingestion: { ...ingestion, mode: 'convert' } })
    assert.deepEqual(stepsFor(converted, both), ['folder'])
    assert.deepEqual(stepsFor(completed({ ingestion }), both), ['ingest', 'folder'])
    assert.deepEqual(stepsFor(completed({ taskOptions: { ingest: false } }), both), ['folder'])
  })

  test('a webhook hears of every end, and of nothing else does anybody hear', () => {
    const { failed, timeout, cancelled } = oneOfEach()
    for (const job of [failed, timeout, cancelled]) {
      assert.ok(hasEnded(job))
      assert.deepEqual(stepsFor(job, both), [])
      assert.deepEqual(stepsFor({ ...job, ingestion: { ...ingestion, webhook } }, both), [
        'webhook',
      ])
      const original = { ...job, taskOptions: { webhook_url: 'https://a.example' } }
      assert.deepEqual(stepsFor(original, both), ['webhook'])
    }
    const all = stepsFor(completed({ ingestion: { ...ingestion, webhook } }), both)
    assert.deepEqual(all, ['webhook', 'ingest', 'folder'])
  })
})

describe('what is tried next', () => {
  const due = (jobId: string, at = NOON): DueStep => ({
    jobId,
    id: jobId,
    name: 'webhook',
    at,
    receiver: jobId[0]!,
  })
  const taken = (steps: DueSteps): string[] => {
    const found: string[] = []
    for (let next = steps.take(); next !== null; next = steps.take()) found.push(next.jobId)
    return found
  }

  test('is what has been due for longest, and nothing before its time', () => {
    const steps = new DueSteps()
    for (const step of [due('c', NOON + 5), due('a', NOON - 5), due('b')]) steps.add(step)
    steps.open(NOON)
    assert.deepEqual(taken(steps), ['a', 'b'])
    assert.equal(steps.nextAt(), NOON + 5)
  })

  test('goes to no receiver that has two already', () => {
    const steps = new DueSteps()
    for (const [n, id] of ['a1', 'a2', 'a3', 'a4', 'b1'].entries()) steps.add(due(id, NOON - 9 + n))
    steps.open(NOON)
    assert.deepEqual(taken(steps).toSorted(), ['a1', 'a2', 'b1'])
    steps.done({ receiver: 'a' })
    assert.deepEqual(taken(steps), ['a3'])
    steps.done({ receiver: 'b' })
    assert.deepEqual(taken(steps), [])
  })

  test('goes to the receivers in turns', () => {
    const steps = new DueSteps()
    for (const [n, id] of ['a1', 'a2', 'b1', 'b2', 'c1'].entries()) steps.add(due(id, NOON - 9 + n))
    steps.open(NOON)
    assert.deepEqual(taken(steps), ['a1', 'b1', 'c1', 'a2', 'b2'])
  })
})
