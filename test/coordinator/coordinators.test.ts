import assert from 'node:assert/strict'
import { test } from 'node:test'
import pino from 'pino'
import { ChoreRunner } from '../../coordinator/chores.ts'
import { Continuations } from '../../coordinator/ingestion/continuations.ts'
import { startContinuation } from '../../coordinator/job/continuation.ts'
import type { EndedJob } from '../../coordinator/job/job.ts'
import { SECOND } from '../../shared/duration.ts'
import { coordinatorsContract } from './coordinators-contract.ts'
import { coordinator, sharedFolder, type Coordinator } from './coordinators.ts'
import { result } from './example-jobs.ts'
import { until } from './running.ts'

const log = pino({ level: 'silent' })

coordinatorsContract('a stand-in for a database', sharedFolder)

test('a chore of all coordinators is done by the one whose turn it is, any other by each', async (t) => {
  const { peers } = await (await sharedFolder(t))()
  let isOurs = false
  Object.assign(peers, { turn: async () => isOurs })
  const done: string[] = []
  const chores = ['shared', 'own'].map((name) => ({
    name,
    everyMs: SECOND,
    ...(name === 'shared' && { turn: 'retention' as const }),
    run: async () => done.push(name),
  }))
  let now = 0
  const runner = new ChoreRunner(chores, log, { steady: () => now, peers })
  await runner.pass()
  assert.deepEqual(done, ['own'])
  isOurs = true
  now += SECOND
  await runner.pass()
  assert.deepEqual(done.toSorted(), ['own', 'own', 'shared'])
})

/** A coordinator with a completed job of two steps. */
async function withSteps(one: Coordinator): Promise<string> {
  const jobId = await one.add()
  await one.claim()
  await one.jobs.apply(jobId, { type: 'succeed', attempt: 1, result: result() })
  await one.store.inTurn(jobId, () =>
    one.store.mutate(jobId, (job) => {
      const continuation = startContinuation('c1', ['ingest', 'webhook'], one.store.now())
      return { ...(job as EndedJob), continuation }
    }),
  )
  return jobId
}

test('a step is tried by the coordinator that got it, and what follows is asked for again', async (t) => {
  const one = await coordinator(t, await (await sharedFolder(t))())
  const jobId = await withSteps(one)
  const asked: string[][] = []
  const dueSteps = async ({ running }: { running: readonly string[] }): Promise<EndedJob[]> => {
    asked.push([...running])
    // As a database does: a job that is tried is not given again.
    return running.length > 0 ? [] : [(await one.jobs.get(jobId)) as EndedJob]
  }
  Object.assign(one.peers, { dueSteps })
  const tried: string[] = []
  const step = (name: string) => async () => {
    tried.push(name)
    return { done: true } as const
  }
  const continuations = new Continuations({
    jobs: one.jobs,
    log,
    random: () => 0.5,
    steps: { ingest: step('ingest'), webhook: step('webhook'), folder: step('folder') },
    peers: one.peers,
  })
  t.after(async () => await continuations.close())
  await continuations.start()
  await until(() => tried.length === 2)
  assert.deepEqual(tried, ['ingest', 'webhook'])
  await until(() => asked.some((running) => running.length === 0))
})

test('a job that cannot be read holds up neither its receiver nor the process', async (t) => {
  const one = await coordinator(t, await (await sharedFolder(t))())
  const jobId = await withSteps(one)
  const job = (await one.jobs.get(jobId)) as EndedJob
  let isBroken = true
  Object.assign(one.peers, { dueSteps: async () => (tried.length === 0 ? [job] : []) })
  const find = one.jobs.find.bind(one.jobs)
  one.jobs.find = async (id) => {
    if (!isBroken) return await find(id)
    isBroken = false
    throw new Error('The database is gone.')
  }
  const tried: string[] = []
  const steps = async (): Promise<{ done: true }> => {
    tried.push('ingest')
    return { done: true }
  }
  const continuations = new Continuations({
    jobs: one.jobs,
    log,
    random: () => 0.5,
    steps: { ingest: steps, webhook: steps, folder: steps },
    peers: one.peers,
  })
  t.after(async () => await continuations.close())
  await continuations.start()
  await until(() => tried.length > 0)
})
