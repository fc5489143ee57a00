import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { Workers } from '../../coordinator/leases/workers.ts'
import { FileWorkerBoard } from '../../coordinator/storage/worker-board.ts'
import { DAY, MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { tempFolder } from '../shared/temp-folder.ts'
import { NOON } from './example-jobs.ts'
import { createJob, claim, startRunning, type Running } from './running.ts'

/** The workers of a coordinator over a folder. */
async function startedOver(dir: string, now = NOON): Promise<Workers> {
  const workers = new Workers(() => now, { board: FileWorkerBoard.open(dir, () => undefined) })
  await workers.load()
  return workers
}

function failing(workers: Workers, workerId: string): void {
  const end = { workerId, jobId: 'a', startedAt: NOON, endedAt: NOON, isLost: false }
  workers.ended({ ...end, errorCode: 'no_space' })
}

test('a worker that was drained stays so over restarts, until it is resumed', async (t) => {
  const first = await startRunning(t)
  const jobId = await createJob(first)
  const beat = async (running: Running): Promise<unknown> =>
    (
      await running.ask('POST', '/workers/w1/heartbeat', {
        json: { state: 'idle', version: '1', slots: 1, jobs: [] },
      })
    ).body['directive']
  assert.equal(await beat(first), 'run')
  await first.ask('POST', '/workers/w1/drain')
  await first.stop()
  const second = await startRunning(t, { root: first.root })
  const { body } = await second.ask('GET', '/workers')
  const [shown] = body['workers'] as { worker_id: string; directive: string }[]
  assert.deepEqual([shown?.worker_id, shown?.directive], ['w1', 'drain'])
  assert.equal(await beat(second), 'drain')
  assert.deepEqual(await claim(second, { worker_id: 'w1' }), [])
  await second.ask('POST', '/workers/w1/resume')
  await second.stop()
  const third = await startRunning(t, { root: first.root })
  assert.equal(await beat(third), 'run')
  assert.equal((await claim(third, { worker_id: 'w1' }))[0]?.job_id, jobId)
})

test('a worker that is set aside stays so over a restart, and the next time for longer', async () => {
  const dir = tempFolder()
  const workers = await startedOver(dir)
  failing(workers, 'w1')
  await workers.kept()
  const again = await startedOver(dir, NOON + 1)
  assert.deepEqual(again.setAsideOf('w1'), workers.setAsideOf('w1'))
  const over = NOON + 10 * MINUTE
  assert.equal((await startedOver(dir, over)).setAsideOf('w1'), null)
  again.ended({
    workerId: 'w1',
    jobId: 'b',
    startedAt: over,
    endedAt: over,
    errorCode: 'no_space',
    isLost: false,
  })
  assert.equal(again.setAsideOf('w1')?.untilAt, over + 20 * MINUTE)
})

test('only what is decided is kept: not the workers that nothing is wrong with', async () => {
  const dir = tempFolder()
  const board = FileWorkerBoard.open(dir, () => undefined)
  const clock = { now: NOON }
  const workers = new Workers(() => clock.now, { board })
  for (const id of ['idle', 'drained', 'removed', 'failing']) workers.update(id, {})
  workers.direct('drained', 'drain')
  workers.direct('removed', 'drain')
  workers.direct('idle', 'run')
  failing(workers, 'failing')
  workers.remove('removed')
  await workers.kept()
  const known = (): string[] =>
    (
      JSON.parse(readFileSync(path.join(dir, 'workers.json'), 'utf8')) as { worker_id: string }[]
    ).map(({ worker_id }) => worker_id)
  assert.deepEqual(known().toSorted(), ['drained', 'failing'])
  workers.ended({
    workerId: 'failing',
    jobId: 'a',
    startedAt: NOON,
    endedAt: NOON,
    errorCode: null,
    isLost: false,
  })
  clock.now += DAY + 1
  workers.prune()
  await workers.kept()
  assert.deepEqual(known(), ['drained'])
  workers.direct('drained', 'run')
  workers.prune()
  await workers.kept()
  assert.deepEqual([known(), workers.all()], [[], []])
})

test('a worker that was drained days before a restart stays drained', async () => {
  const dir = tempFolder()
  const workers = await startedOver(dir)
  workers.update('w1', {})
  workers.direct('w1', 'drain')
  await workers.kept()
  const again = await startedOver(dir, NOON + 3 * DAY)
  again.prune()
  assert.equal(again.update('w1', {}).directive, 'drain')
})

test('a resumption that could not be written is written when it is repeated', async () => {
  const dir = tempFolder()
  let isFull = false
  const board = FileWorkerBoard.open(
    dir,
    () => undefined,
    () => {
      if (isFull) throw new AppError('no_space', 'The disk is full.')
    },
  )
  const workers = new Workers(() => NOON, { board })
  workers.direct('w1', 'drain')
  await workers.kept()
  isFull = true
  for (let time = 0; time < 2; time += 1) {
    workers.direct('w1', 'run')
    await assert.rejects(workers.kept(), { code: 'no_space' })
  }
  isFull = false
  workers.direct('w1', 'run')
  await workers.kept()
  assert.equal((await startedOver(dir)).directiveOf('w1'), 'run')
})

test('a worker is not said to be removed while the disk still says that it is drained', async (t) => {
  const running = await startRunning(t)
  await running.ask('POST', '/workers/w1/heartbeat', {
    json: { state: 'idle', version: '1', slots: 1, jobs: [] },
  })
  await running.ask('POST', '/workers/w1/drain')
  const file = path.join(running.dataDir, 'workers.json')
  rmSync(file)
  // Nothing can be renamed to a folder.
  mkdirSync(file)
  assert.ok((await running.ask('DELETE', '/workers/w1')).status >= 500)
})

test('a file that cannot be read is said, and replaced by what is decided next', async () => {
  const dir = tempFolder()
  writeFileSync(path.join(dir, 'workers.json'), '{"w1": 5}')
  const said: string[] = []
  const workers = new Workers(() => NOON, {
    board: FileWorkerBoard.open(dir, (message) => said.push(message)),
  })
  await workers.load()
  assert.deepEqual([said.length, workers.all()], [1, []])
  assert.match(said[0]!, /workers\.json cannot be read .*: drain the workers again/)
  workers.direct('w2', 'drain')
  await workers.kept()
  assert.equal((await startedOver(dir)).directiveOf('w2'), 'drain')
})
