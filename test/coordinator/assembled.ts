import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { pino } from 'pino'
import { Attempts } from '../../coordinator/leases/attempts.ts'
import { Claims, type Claim } from '../../coordinator/leases/claims.ts'
import type { Retention } from '../../coordinator/config.ts'
import { Estimates } from '../../coordinator/job/estimate.ts'
import type { Job, JobBase, PendingJob, ProcessingJob } from '../../coordinator/job/job.ts'
import { JobFiles } from '../../coordinator/blobs/job-files.ts'
import { Jobs, type JobsOptions } from '../../coordinator/jobs.ts'
import { LeaseTokens } from '../../coordinator/leases/lease-tokens.ts'
import { FileSecrets } from '../../coordinator/storage/secrets.ts'
import { MediaRoots } from '../../coordinator/blobs/media-roots.ts'
import type { Policy } from '../../coordinator/job/policy.ts'
import { FileJobStore } from '../../coordinator/storage/file-job-store.ts'
import { JobTable, type JobRows } from '../../coordinator/storage/job-table.ts'
import { Cleanup } from '../../coordinator/cleanup.ts'
import { Views } from '../../coordinator/views.ts'
import { Workers } from '../../coordinator/leases/workers.ts'
import { DAY } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { newJobId, NOON, pendingJob, POLICY } from './example-jobs.ts'
import { originsFor } from './web-server.ts'

/** A real store whose changes can be made to wait, as for a slow disk. */
export class SlowStore implements JobRows {
  readonly #store: JobTable
  #gate: Promise<void> | null = null
  /** How many changes wait. */
  held = 0
  /** Which updates are refused, as by a full disk. */
  isRefused: (job: Job) => boolean = () => false

  constructor(store: JobTable) {
    this.#store = store
  }

  /** Changes wait from now on until the returned function is called. */
  hold(): () => void {
    let open = (): void => undefined
    this.#gate = new Promise((resolve) => (open = resolve))
    return () => {
      this.#gate = null
      open()
    }
  }

  async #pass(): Promise<void> {
    this.held += 1
    await this.#gate
    this.held -= 1
  }

  get: JobRows['get'] = (jobId) => this.#store.get(jobId)
  inStatus: JobRows['inStatus'] = (status) => this.#store.inStatus(status)
  newest: JobRows['newest'] = (query) => this.#store.newest(query)
  ofTask: JobRows['ofTask'] = (taskId) => this.#store.ofTask(taskId)
  heldBy: JobRows['heldBy'] = (workerId) => this.#store.heldBy(workerId)
  openOf: JobRows['openOf'] = (submittedBy) => this.#store.openOf(submittedBy)
  touch: JobRows['touch'] = (job) => this.#store.touch(job)
  check: JobRows['check'] = () => this.#store.check()
  put: JobRows['put'] = async (job) => {
    await this.#pass()
    if (this.isRefused(job)) throw new AppError('no_space', 'The disk is full.')
    await this.#store.put(job)
  }
  remove: JobRows['remove'] = async (jobId) => {
    await this.#pass()
    await this.#store.remove(jobId)
  }
}

/** The services over a real folder, without HTTP and with a clock that stands still. */
export interface Assembled {
  clock: { now: number }
  dir: string
  store: SlowStore
  jobStore: FileJobStore
  jobs: Jobs
  workers: Workers
  claims: Claims
  attempts: Attempts
  tokens: LeaseTokens
  files: JobFiles
  /** What the files have complained of. */
  warnings: string[]
  /** Every line of the log. */
  logged: string[]
  cleanup: Cleanup
  estimates: Estimates
  views: Views
  /** A job that waits, stored. */
  add: (different?: Partial<JobBase & PendingJob>) => Promise<string>
  /** Claims for `w1` with a lease by default; does not wait. */
  claim: (
    different?: Partial<Claim>,
    give?: (jobs: ProcessingJob[]) => Promise<ProcessingJob[]>,
  ) => Promise<ProcessingJob[]>
  job: (jobId: string) => Job
  find: (jobId: string) => Job | undefined
  close: () => Promise<void>
}

export interface Rules {
  /** Over the folder and by the clock of another, which is closed: a restart. */
  over?: Assembled
  policy?: Partial<Policy>
  retention?: Retention
  now?: () => number
  followUp?: NonNullable<JobsOptions['followUp']>
}

let claimed = 0

export async function assembled(t: TestContext, rules: Rules = {}): Promise<Assembled> {
  const dir = rules.over?.dir ?? mkdtempSync(path.join(os.tmpdir(), 'morag-test-'))
  const clock = rules.over?.clock ?? { now: NOON }
  await rules.over?.close()
  const now = rules.now ?? (() => clock.now)
  const folder = await JobTable.open({ dir, now, journalBytes: 1e9, onError: () => undefined })
  const store = new SlowStore(folder)
  const media = path.join(dir, 'media')
  mkdirSync(media, { recursive: true })
  if (rules.over === undefined) writeFileSync(path.join(media, 'talk.mp3'), 'speech')
  const logged: string[] = []
  const log = pino({ base: null }, { write: (line: string) => void logged.push(line) })
  const policy = { ...POLICY, ...rules.policy }
  const { followUp = () => null } = rules
  const jobStore = new FileJobStore({ table: store, now, log })
  const jobs = new Jobs({ store: jobStore, policy, log, random: () => 0.5, followUp })
  const warnings: string[] = []
  const files = await JobFiles.open(
    { dataDir: dir },
    await MediaRoots.resolve([media]),
    originsFor(),
    (message) => {
      warnings.push(message)
    },
  )
  const tokens = await LeaseTokens.load(new FileSecrets(dir))
  const workers = new Workers(now)
  const claims = new Claims(jobs, workers)
  const attempts = new Attempts(jobs, tokens, files)
  jobs.subscribe(claims, attempts)
  const estimates = new Estimates()
  const keep = rules.retention ?? { completedMs: 7 * DAY, failedMs: 30 * DAY, sourcesMs: null }
  const close = async (): Promise<void> => {
    claims.close()
    jobStore.close()
    await files.checkpoints.settled()
    await folder.close()
  }
  t.after(async () => {
    await close()
    rmSync(dir, { recursive: true, force: true })
  })
  if (rules.over !== undefined) await jobStore.resume(policy)
  claims.resume(await jobs.reader.running())
  return {
    clock,
    dir,
    store,
    jobStore,
    jobs,
    workers,
    claims,
    attempts,
    tokens,
    files,
    warnings,
    logged,
    cleanup: new Cleanup(jobs, files, keep),
    estimates,
    views: new Views(jobs, workers, estimates, tokens, () => []),
    async add(different = {}) {
      const jobId = newJobId()
      const job = pendingJob({ jobId, createdAt: now(), availableAt: now(), ...different })
      return (await jobs.create(jobId, async () => job)).jobId
    },
    claim: async (different = {}, give = (jobs) => Promise.resolve(jobs)) =>
      await claims.claim(
        {
          workerId: 'w1',
          contentTypes: ['audio'],
          maxJobs: 1,
          claimId: `claim-${(claimed += 1)}`,
          waitMs: 0,
          signal: new AbortController().signal,
          ...different,
        },
        give,
      ),
    find: (jobId) => folder.get(jobId),
    job: (jobId) => {
      const job = folder.get(jobId)
      if (job === undefined) throw new Error(`There is no job ${jobId}.`)
      return job
    },
    close,
  }
}
