import { randomUUID } from 'node:crypto'
import { AppError } from '../../../shared/errors.ts'
import { lastAttempt, type Job, type PendingJob, type ProcessingJob } from '../../job/job.ts'
import { meets, requirementsOf } from '../../job/requirements.ts'
import type { Policy } from '../../job/policy.ts'
import type { KeyedMutex } from '../../keyed-mutex.ts'
import { Batches } from '../batches.ts'
import type { Order, Taken, Taking } from '../job-store.ts'
import type { Ask, Database } from './database.ts'
import { columnsOf, keyOf, leaseColumns, storedOf, type JobRow, type Stored } from './rows.ts'
import type { Ranked, Shelf, Shelves } from './shelves.ts'
import { HAPPENED, HELD, PICK, WRITE } from './statements.ts'

export interface ClaimOptions {
  database: Database
  shelves: Shelves
  turns: KeyedMutex
  policy: Policy
  now: () => number
  /** Called with a job that was not wanted. */
  onLeft: (job: PendingJob) => void
}

interface Call {
  order: Order
  taking: Taking
}

/** A call, and what it may have. */
interface Asking extends Call {
  shelves: ReadonlySet<string>
  again: ProcessingJob[]
  most: number
  picks: Pick[]
  failure: PromiseRejectedResult | null
}

interface Candidate extends Ranked, JobRow {
  content_type: string
  requires_key: string
  reserved_for: string | null
  ready: boolean
}

interface Pick {
  before: Stored
  after: ProcessingJob
}

/** Calls that are served together. */
const MOST_CALLS = 64
/** Jobs that are looked at for them, of each shelf. */
const MOST_JOBS = 64
const FIRST = { rank: -2_147_483_648, created_at: 0 }

/** Claims for all calls that have come by now in one transaction, in the order of their coming. */
export class Claims {
  readonly #options: ClaimOptions
  readonly #calls: Batches<Call, Asking>

  constructor(options: ClaimOptions) {
    this.#options = options
    this.#calls = new Batches(async (calls) => await this.#serve(calls), { most: MOST_CALLS })
  }

  /** As {@link JobStore.claim}. */
  async claim(order: Order, taking: Taking): Promise<Taken> {
    const { again, picks, failure } = await this.#calls.add({ order, taking })
    if (failure !== null && picks.length + again.length === 0) throw failure.reason
    return { again, fresh: picks.map(({ after }) => after) }
  }

  async #serve(calls: readonly Call[]): Promise<Asking[]> {
    const held = await this.#heldBy(calls.filter(({ order }) => order.isAgain !== undefined))
    const shelves = new Map<string, Shelf>()
    const asking = calls.map(({ order, taking }): Asking => {
      const { workerId, tokenId, claimId, isAgain, most } = order
      const again = held
        .filter((job) => {
          const last = lastAttempt(job)!
          return last.workerId === workerId && last.tokenId === tokenId && isAgain?.(job) === true
        })
        .slice(0, most)
      const left = again.length > 0 && claimId !== null ? 0 : most - again.length
      const names = new Set<string>()
      if (left > 0)
        for (const shelf of this.#options.shelves.for(order)) {
          const name = nameOf(shelf.contentType, shelf.key)
          names.add(name)
          shelves.set(name, shelf)
        }
      return { order, taking, shelves: names, again, most: left, picks: [], failure: null }
    })
    const wanting = asking.filter(({ most, order }) => most > 0 && order.contentTypes.length > 0)
    if (wanting.length > 0) await this.#pick(wanting, shelves)
    return asking
  }

  async #heldBy(calls: readonly Call[]): Promise<ProcessingJob[]> {
    if (calls.length === 0) return []
    const workers = new Set(calls.map(({ order }) => keyOf(order.workerId)))
    const rows = await this.#options.database.query<JobRow>(HELD, [[...workers]])
    const { policy, now } = this.#options
    return rows.map((row) => storedOf(row, now(), policy).job as ProcessingJob)
  }

  async #pick(wanting: readonly Asking[], shelves: ReadonlyMap<string, Shelf>): Promise<void> {
    const { database, onLeft } = this.#options
    const pass = new Pass(wanting, shelves, this.#options)
    try {
      const happened = async (): Promise<boolean> => await pass.hasHappened()
      if (!(await database.transaction(async (ask) => await pass.run(ask), happened)))
        throw new AppError('unavailable', 'The claim was undone: try again.')
      pass.tell()
    } catch (error) {
      for (const one of wanting) Object.assign(one, { picks: [], failure: rejected(error) })
    } finally {
      pass.end()
    }
    for (const job of pass.left) onLeft(job)
  }
}

/** One look at the shelves, for several calls. */
class Pass {
  readonly #wanting: readonly Asking[]
  readonly #shelves: ReadonlyMap<string, Shelf>
  readonly #options: ClaimOptions
  /** The jobs' turns in this process. */
  #ends: Promise<() => void>[] = []
  #untaken: Candidate[] = []
  #last = new Map<Shelf, Ranked>()
  #written: string | null = null
  left: PendingJob[] = []

  constructor(
    wanting: readonly Asking[],
    shelves: ReadonlyMap<string, Shelf>,
    options: ClaimOptions,
  ) {
    this.#wanting = wanting
    this.#shelves = shelves
    this.#options = options
  }

  /** May be run again when the database undid it. @returns true. */
  async run(ask: Ask): Promise<boolean> {
    this.end()
    this.#last = new Map()
    this.left = []
    this.#written = null
    const now = this.#options.now()
    const candidates = await this.#candidates(ask, now)
    for (const one of this.#wanting) this.#choose(one, candidates, now)
    this.#untaken = candidates
    const picks = this.#wanting.flatMap((one) => one.picks)
    if (picks.length === 0) return true
    const jobs = picks.map(({ before, after }) =>
      columnsOf(after, { version: before.version + 1, mark: randomUUID(), now }),
    )
    this.#written = JSON.stringify(jobs)
    const leases = JSON.stringify(picks.map(({ after }) => leaseColumns(after, 0)))
    await ask(WRITE, [this.#written, leases])
    return true
  }

  async hasHappened(): Promise<boolean> {
    const { database } = this.#options
    if (this.#written === null) return true
    return (await database.query(HAPPENED, [this.#written])).length > 0
  }

  /** Tells of the claims, which are durable. */
  tell(): void {
    for (const { picks, taking } of this.#wanting)
      for (const { before, after } of picks) taking.taken(before.job, after)
    for (const [shelf, last] of this.#last) shelf.from = last
    for (const one of this.#untaken) {
      const shelf = this.#shelves.get(nameOf(one.content_type, one.requires_key))
      if (shelf !== undefined) this.#options.shelves.lower(shelf, one)
    }
  }

  /** Ends the turns of the jobs. */
  end(): void {
    for (const end of this.#ends) void end.then((finish) => finish())
    this.#ends = []
  }

  async #candidates(ask: Ask, now: number): Promise<Candidate[]> {
    const shelves = [...this.#shelves.values()]
    const from = shelves.map((shelf) => shelf.from ?? FIRST)
    const most = this.#wanting.reduce((sum, one) => sum + one.most, 0)
    const found = await ask<Candidate>(PICK, [
      shelves.map(({ contentType }) => contentType),
      shelves.map(({ key }) => key),
      from.map(({ rank }) => rank),
      from.map(({ created_at: at }) => at),
      Math.min(MOST_JOBS, most),
      [...new Set(this.#wanting.map(({ order }) => keyOf(order.workerId)))],
      now,
    ])
    return found.toSorted(
      (a, b) => a.rank - b.rank || a.created_at - b.created_at || (a.job_id < b.job_id ? -1 : 1),
    )
  }

  /** Takes what a call may have out of the candidates. */
  #choose(one: Asking, candidates: Candidate[], now: number): void {
    one.picks = []
    one.failure = null
    try {
      for (let index = 0; index < candidates.length && one.picks.length < one.most;) {
        const candidate = candidates[index]!
        const taken = mayHave(one, candidate) ? this.#take(one, candidate, now) : null
        if (taken === 'unwanted') return
        if (taken === null) index += 1
        else {
          candidates.splice(index, 1)
          one.picks.push(taken)
        }
      }
    } catch (error) {
      one.failure = rejected(error)
    }
  }

  /** In the job's turn. Null: this call cannot have it. */
  #take({ order, taking }: Asking, row: Candidate, now: number): Pick | 'unwanted' | null {
    const { turns, policy, shelves } = this.#options
    // This process changes it at this moment.
    if (turns.isTaken(row.job_id)) return null
    const before = storedOf({ ...row, attempt: null, rev: null, lease: null }, now, policy)
    const { job } = before
    if (job.status !== 'pending' || !isReservedFit(row, job, order)) return null
    this.#ends.push(turns.turn(row.job_id))
    const after = taken(taking, job, now)
    if (after === null) return null
    if (after.status !== 'processing') {
      this.left.push(job)
      return 'unwanted'
    }
    const shelf = row.ready ? this.#shelves.get(nameOf(row.content_type, row.requires_key)) : null
    if (shelf) this.#last.set(shelf, row)
    else shelves.note(job)
    return { before, after }
  }
}

/** Null: it may not be claimed. */
function taken({ take }: Taking, job: Job, now: number): Job | null {
  try {
    return take(job, now)
  } catch (error) {
    if (error instanceof AppError && error.code === 'conflict') return null
    throw error
  }
}

function rejected(reason: unknown): PromiseRejectedResult {
  return { status: 'rejected', reason }
}

function mayHave({ shelves, order }: Asking, row: Candidate): boolean {
  if (row.ready) return shelves.has(nameOf(row.content_type, row.requires_key))
  return row.reserved_for === keyOf(order.workerId)
}

/** An operator who chose a worker knew which others had failed. */
function isReservedFit({ ready }: Candidate, job: Job, { contentTypes, ability }: Order): boolean {
  const { contentType, taskOptions } = job
  return (
    ready ||
    (contentTypes.includes(contentType) &&
      meets(ability, requirementsOf({ contentType, taskOptions })))
  )
}

function nameOf(contentType: string, key: string): string {
  return JSON.stringify([contentType, key])
}
