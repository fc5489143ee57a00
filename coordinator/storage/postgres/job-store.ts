import { randomUUID } from 'node:crypto'
import { HOUR, SECOND } from '../../../shared/duration.ts'
import { AppError } from '../../../shared/errors.ts'
import { startTimer } from '../../../shared/timers.ts'
import { openAtOf, type Job, type PendingJob, type ProcessingJob } from '../../job/job.ts'
import { isWorthWriting, type Overdue } from '../../job/lease.ts'
import { MAX_KINDS } from '../../job/queue.ts'
import { requirementsOf } from '../../job/requirements.ts'
import { KeyedMutex } from '../../keyed-mutex.ts'
import { Batches } from '../batches.ts'
import type { Change, JobStore, Mutation, Order, Taken, Taking } from '../job-store.ts'
import { Claims } from './claims.ts'
import { PostgresJobReader, type ReaderOptions } from './job-reader.ts'
import { columnsOf, keyOf, leaseColumns, versionOf, type JobRow, type Stored } from './rows.ts'
import { Shelves } from './shelves.ts'
import {
  DROP_SHELVES,
  FORGET,
  HAPPENED,
  INSERT,
  KINDS,
  LEND,
  NEXT_OPEN,
  OPEN,
  REMOVE,
  RENEW,
  UNLEASED,
  WRITE,
} from './statements.ts'

type Columns = ReturnType<typeof columnsOf>
type LeaseColumns = ReturnType<typeof leaseColumns>

const MOST_TRIES = 8
const WRITES = { most: 100 }
/** Renewals under load go together; a quiet store writes each at once. */
const RENEWALS = { most: 500, everyMs: 50 }
/** How often attempts are looked for whose lease is lost. */
const UNLEASED_EVERY_MS = 5 * SECOND

/** Jobs in PostgreSQL, which other coordinators change, too. */
export class PostgresJobStore extends PostgresJobReader implements JobStore {
  readonly #turns = new KeyedMutex()
  readonly #shelves: Shelves
  readonly #claims: Claims
  readonly #inserts: Batches<Columns, boolean>
  readonly #writes: Batches<[Columns, LeaseColumns | null], boolean>
  readonly #renewals: Batches<LeaseColumns, boolean>
  readonly #loans: Batches<LeaseColumns, boolean>
  readonly #listeners: ((job: PendingJob) => void)[] = []
  #timer: NodeJS.Timeout | null = null
  #opensAt = Infinity
  #lentAt = -Infinity
  #tidiedAt = -Infinity
  #isClosed = false

  constructor(options: ReaderOptions) {
    super(options)
    const { database, now, policy } = options
    this.#shelves = new Shelves(database)
    this.#claims = new Claims({
      database,
      shelves: this.#shelves,
      turns: this.#turns,
      policy,
      now,
      onLeft: (job) => this.#announce(job),
    })
    this.#inserts = new Batches(async (jobs) => await this.#insert(jobs), WRITES)
    this.#writes = new Batches(async (changes) => await this.#write(changes), WRITES)
    this.#renewals = new Batches(async (leases) => {
      const done = await database.query<JobRow>(RENEW, [JSON.stringify(leases)])
      return isIn(done, leases)
    }, RENEWALS)
    this.#loans = new Batches(async (leases) => {
      const done = await database.query<JobRow>(LEND, [JSON.stringify(leases)])
      return isIn(done, leases)
    }, RENEWALS)
  }

  /** Learns what waits. */
  async start(): Promise<void> {
    await this.#shelves.refresh()
    await this.#armNext()
  }

  /** One that waits is found by the next claim, also where it is the first of its kind. */
  override async get(jobId: string): Promise<Job | undefined> {
    const job = await super.get(jobId)
    if (job?.status === 'pending') this.#shelves.note(job)
    return job
  }

  check(): void {
    if (this.database.failure !== null) throw this.database.failure
  }

  async inTurn<T>(jobId: string, work: () => Promise<T>): Promise<T> {
    return await this.#turns.take(jobId, work)
  }

  readonly versionOf = versionOf

  async create(job: PendingJob): Promise<Mutation<Job | null>> {
    const now = this.now()
    await this.#shelves.ensure(job, now)
    for (;;) {
      const columns = columnsOf(job, { version: Math.floor(now), mark: randomUUID(), now })
      if (await this.#inserts.add(columns)) {
        this.#changed(job)
        return { before: null, after: job }
      }
      const known = await this.get(job.jobId)
      if (known !== undefined) return { before: known, after: known }
    }
  }

  async mutate(jobId: string, change: Change): Promise<Mutation | null> {
    for (let tries = 0; tries < MOST_TRIES; tries += 1) {
      const stored = await this.read(jobId)
      if (stored === null) return null
      const { job: before } = stored
      const now = this.now()
      const made = change(before, now)
      if (made === before) return { before, after: before }
      const after = await made
      if (after === before) return { before, after }
      const isRenewal = !(made instanceof Promise) && isVolatile(before, after)
      const isKept = isRenewal
        ? await this.#renew(after as ProcessingJob, stored)
        : await this.#replace(after, stored, now)
      if (!isKept) continue
      if (!isRenewal) this.#changed(after)
      return { before, after }
    }
    throw new AppError('conflict', `Job ${jobId} is changed too often: try again.`)
  }

  async remove(jobId: string, may: (job: Job) => void): Promise<Job | null> {
    for (;;) {
      const stored = await this.read(jobId)
      if (stored === null) return null
      may(stored.job)
      const values = [jobId, stored.version]
      const done = await this.database.write<{ job_id: string }>(REMOVE, values, async () =>
        (await this.read(jobId)) === null ? [{ job_id: jobId }] : [],
      )
      if (done.length === 0) continue
      this.tallies.changed()
      return stored.job
    }
  }

  async isOneKindTooMany(
    job: Pick<PendingJob, 'submittedBy' | 'contentType' | 'taskOptions'>,
  ): Promise<boolean> {
    await this.#shelves.refresh()
    if (this.#shelves.size < MAX_KINDS) return false
    const { submittedBy, contentType } = job
    const found = await this.database.one<{ n: number; known: boolean | null }>(KINDS, [
      submittedBy === null ? null : keyOf(submittedBy),
      keyOf(contentType),
      keyOf(requirementsOf(job).key),
    ])
    return found!.n >= MAX_KINDS && found!.known !== true
  }

  claim(order: Order, taking: Taking): Promise<Taken> | null {
    if (order.contentTypes.length === 0 && order.isAgain === undefined) return null
    return this.#claim(order, taking)
  }

  onWork(listener: (job: PendingJob) => void): void {
    this.#listeners.push(listener)
  }

  /** Also opens what has become available, and gives leases to attempts that have lost theirs. */
  override async overdue(queueLimitMs: number | null): Promise<Overdue[]> {
    await this.#open()
    await this.#lend()
    await this.#tidy()
    return await super.overdue(queueLimitMs)
  }

  close(): void {
    this.#isClosed = true
    if (this.#timer !== null) clearTimeout(this.#timer)
  }

  async #claim(order: Order, taking: Taking): Promise<Taken> {
    await this.#shelves.refresh()
    if (this.#opensAt <= this.now()) await this.#open()
    const taken = await this.#claims.claim(order, taking)
    if (taken.fresh.length > 0) this.tallies.changed()
    return taken
  }

  /** @returns whether each is new. */
  async #insert(jobs: readonly Columns[]): Promise<boolean[]> {
    const values = [JSON.stringify(jobs)]
    const done = await this.database.write<{ mark: string }>(
      INSERT,
      values,
      async () => await this.database.query(HAPPENED, values),
    )
    return isMarked(done, jobs)
  }

  /** @returns whether each was still of the version that it was made from. */
  async #write(changes: readonly [Columns, LeaseColumns | null][]): Promise<boolean[]> {
    const jobs = changes.map(([job]) => job)
    const leases = changes.flatMap(([, lease]) => lease ?? [])
    const values = [JSON.stringify(jobs), JSON.stringify(leases)]
    const done = await this.database.write<{ mark: string }>(
      WRITE,
      values,
      async () => await this.database.query(HAPPENED, values.slice(0, 1)),
    )
    return isMarked(done, jobs)
  }

  async #replace(after: Job, { version }: Stored, now: number): Promise<boolean> {
    if (after.status === 'pending') await this.#shelves.ensure(after, now)
    const columns = columnsOf(after, { version: version + 1, mark: randomUUID(), now })
    const lease = after.status === 'processing' ? leaseColumns(after, 0) : null
    return await this.#writes.add([columns, lease])
  }

  /** Keeps the lease alone: a crash of the server may lose it. */
  async #renew(after: ProcessingJob, { rev }: Stored): Promise<boolean> {
    if (rev === null) return await this.#loans.add(leaseColumns(after, 0))
    return await this.#renewals.add(leaseColumns(after, rev))
  }

  #changed(after: Job): void {
    this.tallies.changed()
    if (after.status !== 'pending' || after.ingestion?.local === true) return
    const openAt = openAtOf(after)
    if (openAt > this.now()) this.#arm(openAt)
  }

  #announce(job: PendingJob): void {
    for (const listener of this.#listeners) listener(job)
  }

  /** Opens the jobs whose time has come; each by one of the coordinators, which announces it. */
  async #open(): Promise<void> {
    this.#opensAt = Infinity
    const rows = await this.database.query<JobRow>(OPEN, [Math.floor(this.now())])
    for (const row of rows) {
      const job = this.stored(row).job as PendingJob
      this.#shelves.note(job)
      this.#announce(job)
    }
    await this.#armNext()
  }

  async #armNext(): Promise<void> {
    const next = await this.database.one<{ at: number | null }>(NEXT_OPEN)
    if (next!.at !== null) this.#arm(next!.at)
  }

  #arm(at: number): void {
    if (at >= this.#opensAt || this.#isClosed) return
    this.#opensAt = at
    if (this.#timer !== null) clearTimeout(this.#timer)
    // While the database is gone the next look at what is overdue opens them.
    this.#timer = startTimer(
      () => void this.#open().catch(() => undefined),
      Math.min(HOUR, Math.max(0, at - this.now())),
    ).unref()
  }

  async #lend(): Promise<void> {
    if (this.now() < this.#lentAt + UNLEASED_EVERY_MS) return
    this.#lentAt = this.now()
    const rows = await this.database.query<JobRow>(UNLEASED)
    const jobs = rows.map((row) => this.stored(row).job as ProcessingJob)
    await Promise.all(jobs.map((job) => this.#loans.add(leaseColumns(job, 0))))
  }

  async #tidy(): Promise<void> {
    const now = Math.floor(this.now())
    if (now < this.#tidiedAt + HOUR) return
    this.#tidiedAt = now
    await this.database.query(FORGET, [now])
    await this.database.query(DROP_SHELVES, [now - 24 * HOUR])
  }
}

/** Whether a change need not survive a crash of the server: the attempt goes on. */
function isVolatile(before: Job, after: Job): boolean {
  return (
    before.status === 'processing' &&
    after.status === 'processing' &&
    !isWorthWriting(before.lease, after.lease)
  )
}

function isMarked(done: readonly { mark: string }[], all: readonly Columns[]): boolean[] {
  const marks = new Set(done.map(({ mark }) => mark))
  return all.map(({ mark }) => marks.has(mark))
}

function isIn(done: readonly { job_id: string }[], all: readonly LeaseColumns[]): boolean[] {
  const ids = new Set(done.map((one) => one.job_id))
  return all.map((one) => ids.has(one.job_id))
}
