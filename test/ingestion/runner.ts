import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import {
  again,
  startContinuation,
  undone,
  type StepName,
  type Tried,
} from '../../coordinator/job/continuation.ts'
import { Continuations } from '../../coordinator/ingestion/continuations.ts'
import { stepsFor } from '../../coordinator/ingestion/steps.ts'
import type { TryStep } from '../../coordinator/ingestion/step.ts'
import { hasEnded, type EndedJob } from '../../coordinator/job/job.ts'
import { Jobs } from '../../coordinator/jobs.ts'
import { FileJobStore } from '../../coordinator/storage/file-job-store.ts'
import { JobTable } from '../../coordinator/storage/job-table.ts'
import { newJobId, NOON, pendingJob, POLICY, result } from '../coordinator/example-jobs.ts'
import { SlowStore } from '../coordinator/assembled.ts'

/** One try that is under way, and how to end it. */
export interface Try {
  jobId: string
  id: string
  name: StepName
  signal: AbortSignal
  end: (tried: Tried) => void
  fail: (error: Error) => void
}

/** The runner over a real store, with a clock that stands still and steps that a test ends one by one. */
export interface Runner {
  clock: { now: number }
  store: SlowStore
  jobs: Jobs
  continuations: Continuations
  /** Those under way or over, in the order in which they began. */
  tries: Try[]
  logged: Record<string, unknown>[]
  /** A job with a webhook, completed or failed; its id. */
  ended(status?: 'completed' | 'failed', webhookUrl?: string | null): Promise<string>
  /** Fails the job again by another attempt. */
  failAgain(jobId: string): Promise<void>
  job(jobId: string): EndedJob
  /** What a step is at: its state, its tries and when it is next tried, from noon on. */
  at(jobId: string, name: StepName): [string, number, number | null]
  close(): Promise<void>
  /** Stops, and starts another over the same folder. */
  restart(): Promise<Runner>
}

export const DONE: Tried = { done: true }
export const FAILED = {
  done: false,
  message: 'down',
  final: false,
  retryAfterMs: null,
} satisfies Tried

/** Starts one; it stops with the test. */
export async function startRunner(t: Pick<TestContext, 'after'>): Promise<Runner> {
  const dir = mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  const started: Runner[] = []
  t.after(async () => {
    for (const one of started) await one.close()
    rmSync(dir, { recursive: true, force: true })
  })
  return await runnerOver(dir, started)
}

async function runnerOver(dir: string, started: Runner[]): Promise<Runner> {
  const clock = { now: NOON }
  const folder = await JobTable.open({
    dir,
    now: () => clock.now,
    journalBytes: 1e9,
    onError: () => undefined,
  })
  const store = new SlowStore(folder)
  const logged: Record<string, unknown>[] = []
  const log = pino(
    { level: 'debug' },
    { write: (line: string) => void logged.push(JSON.parse(line) as Record<string, unknown>) },
  )
  const planned = { moragUrl: 'http://morag.example', outputDir: null }
  const jobStore = new FileJobStore({
    table: store,
    now: () => clock.now,
    log: pino({ enabled: false }),
  })
  const jobs = new Jobs({
    store: jobStore,
    policy: POLICY,
    log: pino({ enabled: false }),
    random: () => 0,
    followUp(job) {
      const begun = startContinuation(randomUUID(), stepsFor(job, planned), job.completedAt)
      // Each for itself: a webhook that waits for the ingestion is tested apart.
      return begun && again(begun, undone(begun), job.completedAt)
    },
  })
  await jobStore.resume(jobs.policy)
  const tries: Try[] = []
  const held =
    (name: StepName): TryStep =>
    async (job, id, signal) =>
      await new Promise<Tried>((end, fail) => {
        tries.push({ jobId: job.jobId, id, name, signal, end, fail })
        signal.addEventListener('abort', () => fail(signal.reason as Error))
      })
  const continuations = new Continuations({
    jobs,
    log,
    steps: { webhook: held('webhook'), ingest: held('ingest'), folder: held('folder') },
    random: () => 0,
    unwrittenMs: 10,
  })
  jobs.subscribe(continuations)
  await continuations.start()
  let closing: Promise<void> | null = null
  const close = async (): Promise<void> =>
    await (closing ??= continuations.close().then(async () => await folder.close()))
  const job = (jobId: string): EndedJob => {
    const found = folder.get(jobId)!
    if (!hasEnded(found)) throw new Error(`job ${jobId} is ${found.status}`)
    return found
  }
  const claimed = async (jobId: string): Promise<number> => {
    const type = 'claim'
    const after = await jobs.apply(jobId, { type, workerId: 'w1', claimId: null, leased: false })
    return after.attempts.length
  }
  const code = 'invalid_media'
  const failAgain = async (jobId: string): Promise<void> => {
    const attempt = await claimed(jobId)
    await jobs.apply(jobId, { type: 'fail', attempt, code, message: 'broken', retryable: false })
  }
  const runner: Runner = {
    clock,
    store,
    jobs,
    continuations,
    tries,
    logged,
    job,
    close,
    async restart() {
      await close()
      return await runnerOver(dir, started)
    },
    failAgain,
    async ended(status = 'failed', webhookUrl = 'https://receiver.example/hook') {
      const jobId = newJobId()
      const taskOptions = webhookUrl === null ? {} : { webhook_url: webhookUrl }
      await jobs.create(jobId, async () =>
        pendingJob({ jobId, taskOptions, createdAt: clock.now, availableAt: clock.now }),
      )
      if (status === 'failed') await failAgain(jobId)
      else {
        const attempt = await claimed(jobId)
        await jobs.apply(jobId, { type: 'succeed', attempt, result: result() })
      }
      return jobId
    },
    at(jobId, name) {
      const { continuation } = job(jobId)
      const { state, tries: count, nextAt } = continuation!.steps.find((one) => one.name === name)!
      return [state, count, nextAt === null ? null : nextAt - NOON]
    },
  }
  started.push(runner)
  return runner
}
