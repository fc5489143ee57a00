import type { Logger } from 'pino'
import { DAY, MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import type { Directive } from '../../shared/wire.ts'
import {
  CircuitBreakers,
  endsBetween,
  givenBackBetween,
  type AttemptEnd,
  type GivenBack,
  type SetAside,
  type StoredBreaker,
} from '../job/circuit-breaker.ts'
import { lastAttempt, type Job } from '../job/job.ts'
import { NO_REQUIREMENTS, type Ability, type Requirements } from '../job/requirements.ts'
import type { JobSubscriber } from '../jobs.ts'
import type { WorkerBoard, WorkerReport, WorkerRow } from '../storage/worker-board.ts'
import { FLEET_LIMITS } from '../fleet-limits.ts'
import { Census, Holders, type Able } from './census.ts'
import { SharedWorkers } from './shared-workers.ts'
import {
  abilityOf,
  merged,
  newWorker,
  tooMany,
  type Worker,
  type WorkersOptions,
} from './worker.ts'

const FORGET_AFTER = DAY
/** A worker without contact for longer does not count as connected. */
export const PRESENT = 2 * MINUTE
type Listener = (workerId: string) => void

/** The workers that have contacted the coordinator lately, and what is decided of them. */
export class Workers implements JobSubscriber {
  readonly #workers = new Map<string, Worker>()
  readonly #breakers = new CircuitBreakers()
  readonly #holders = new Holders()
  readonly #announceListeners: Listener[] = []
  readonly #changeListeners: Listener[] = []
  readonly #now: () => number
  readonly #log: Pick<Logger, 'warn'> | undefined
  readonly #board: WorkerBoard | undefined
  readonly #most: number
  /** Null: there are no other coordinators. */
  readonly shared: SharedWorkers | null
  #keeping: Promise<void> = Promise.resolve()
  #counted: Census | null = null

  constructor(now: () => number, { log, board, most = FLEET_LIMITS.agents }: WorkersOptions = {}) {
    this.#now = now
    this.#most = most
    this.#log = log
    this.#board = board
    const shared = board?.shared ?? null
    this.shared = shared && new SharedWorkers(this, shared, now)
  }

  /** Takes over what an earlier run decided. */
  async load(): Promise<void> {
    this.#counted = null
    const now = this.#now()
    const rows = (await this.#board?.all()) ?? []
    if (this.shared !== null) return rows.forEach((row) => this.decide(row.workerId, row))
    for (const { workerId, directive, lastSeenAt, setAside } of rows) {
      if (directive !== 'run')
        Object.assign(this.#get(workerId), { directive, lastSeenAt: lastSeenAt ?? now })
      if (setAside !== null && setAside.untilAt > now)
        this.#breakers.restore(workerId, setAside, now)
      this.#keep(workerId)
    }
  }

  async close(): Promise<void> {
    await this.shared?.close()
    await this.#keeping.catch(() => undefined)
  }

  /** Takes over what a worker has reported to another coordinator, as far as that is newer. */
  merge(report: WorkerReport): void {
    const { workerId, firstSeenAt } = report
    const known = this.#workers.get(workerId)
    if (known === undefined && this.#workers.size >= this.#most) return
    const facts = merged(known ?? newWorker(workerId, firstSeenAt), report, known !== undefined)
    if (facts === null) return
    const { lastSeenAt, reportedAt } = facts
    Object.assign(this.update(workerId, facts), { lastSeenAt, reportedAt })
  }

  /** Takes over what another coordinator has decided; null: nothing any more. */
  decide(workerId: string, row: WorkerRow | null): void {
    const isDirected = this.#takeDirective(workerId, row)
    if (!this.#takeBreaker(workerId, row?.breaker ?? null) && !isDirected) return
    this.#recount(workerId)
    this.#changed(workerId)
  }

  #takeDirective(workerId: string, row: WorkerRow | null): boolean {
    const { directive, lastSeenAt } = row ?? { directive: 'run' as const, lastSeenAt: null }
    if (directive === this.directiveOf(workerId)) return false
    if (!this.#workers.has(workerId)) this.#get(workerId).lastSeenAt = lastSeenAt ?? this.#now()
    this.#get(workerId).directive = directive
    return true
  }

  #takeBreaker(workerId: string, breaker: StoredBreaker | null): boolean {
    const was = this.setAsideOf(workerId)
    this.#breakers.take(workerId, breaker)
    const aside = this.setAsideOf(workerId)
    if (was === null && aside !== null) this.#logAside(workerId, aside)
    if (was !== null && aside === null) this.#notify(this.#announceListeners, workerId)
    return was?.untilAt !== aside?.untilAt
  }

  /** Waits until what is decided will survive a restart. @throws when that cannot be written. */
  async kept(): Promise<void> {
    await this.#keeping
  }

  /** Records a contact. @throws {AppError} `too_many_requests` for a name beyond the limit. */
  update(
    workerId: string,
    news: Partial<Omit<Worker, 'workerId' | 'directive' | 'ability'>>,
  ): Worker {
    const worker = this.#get(workerId)
    Object.assign(worker, news, { lastSeenAt: this.#now() })
    if (news.state !== undefined) worker.reportedAt = worker.lastSeenAt
    const ability =
      news.capabilities === undefined ? worker.ability : abilityOf(workerId, worker.capabilities)
    const isOther = ability.key !== worker.ability.key
    worker.ability = ability
    this.#recount(workerId)
    if (isOther) this.#notify(this.#announceListeners, workerId)
    this.#changed(workerId)
    return worker
  }

  /** Calls back with a worker that may have other jobs than before. */
  onAnnounce(listener: Listener): void {
    this.#announceListeners.push(listener)
  }

  /** Calls back with a worker that was updated, directed, set aside or removed. */
  onUpdate(listener: Listener): void {
    this.#changeListeners.push(listener)
  }

  abilityOf(workerId: string): Ability {
    return this.#workers.get(workerId)?.ability ?? abilityOf(workerId, null)
  }

  /** Sets what a worker is to do; `run` also resets its circuit breaker. */
  direct(workerId: string, directive: Directive): Worker {
    const worker = this.#get(workerId)
    worker.directive = directive
    if (directive === 'run') this.#reset(workerId)
    this.#recount(workerId)
    this.#keep(workerId)
    this.#changed(workerId)
    return worker
  }

  /** Learns the holders of running attempts, after a restart. */
  resume(jobs: Iterable<Job>): void {
    for (const job of jobs) this.#holds(job.jobId, job)
  }

  onChange(before: Job | null, after: Job | null): void {
    this.#holds((after ?? before)!.jobId, after)
    for (const end of endsBetween(before, after)) this.ended(end)
    for (const attempt of givenBackBetween(before, after)) this.#gaveBack(attempt)
  }

  ended(end: AttemptEnd): void {
    const { workerId, errorCode } = end
    if (workerId === LOCAL_WORKER) return
    if (this.shared === null) {
      if (errorCode === null) this.#reset(workerId)
      this.#setAside(workerId, this.#breakers.note(end))
    } else if (errorCode !== null || this.#breakers.has(workerId))
      this.#kept(
        workerId,
        this.shared.note(workerId, (all) => all.note(end)),
      )
  }

  #gaveBack(attempt: GivenBack): void {
    const { workerId } = attempt
    if (workerId === LOCAL_WORKER) return
    if (this.shared === null) this.#setAside(workerId, this.#breakers.noteGivenBack(attempt))
    else
      this.#kept(
        workerId,
        this.shared.note(workerId, (all) => all.noteGivenBack(attempt)),
      )
  }

  #setAside(workerId: string, setAside: SetAside | null): void {
    if (setAside === null) return
    this.#recount(workerId)
    this.#keep(workerId)
    this.#changed(workerId)
    this.#logAside(workerId, setAside)
  }

  #logAside(workerId: string, { untilAt, reason }: SetAside): void {
    const until = new Date(untilAt).toISOString()
    this.#log?.warn({ worker_id: workerId, until, reason }, 'worker set aside')
  }

  #holds(jobId: string, job: Job | null): void {
    // Where its end may not be heard of, it counts by its last contact alone.
    if (this.shared !== null) return
    for (const workerId of this.#holders.note(jobId, job)) this.#recount(workerId)
    const workerId = job?.status === 'processing' ? lastAttempt(job)!.workerId : LOCAL_WORKER
    if (workerId === LOCAL_WORKER || this.#workers.has(workerId)) return
    this.update(workerId, { contentTypes: [job!.contentType] })
  }

  /** Why a worker gets no jobs for now that others can do, or null. */
  setAsideOf(workerId: string): SetAside | null {
    return this.#breakers.of(workerId, this.#now())
  }

  /** Which jobs a worker that is set aside leaves to others; undefined: it is not set aside. */
  leftBy(
    workerId: string,
  ): ((contentType: string, requirements: Requirements) => boolean) | undefined {
    if (this.setAsideOf(workerId) === null) return undefined
    return (contentType, requirements) => this.#census.hasTrustedFor(contentType, requirements)
  }

  directiveOf(workerId: string): Directive {
    return this.#workers.get(workerId)?.directive ?? 'run'
  }

  all(): Worker[] {
    return [...this.#workers.values()]
  }

  find(workerId: string): Worker | undefined {
    return this.#workers.get(workerId)
  }

  /** The connected workers that may have such jobs. */
  ableTo(contentType: string, requirements = NO_REQUIREMENTS): Able {
    return this.#census.workersFor(contentType, requirements)
  }

  /** The abilities of the connected workers that take a content type, or have not said yet what they take. */
  abilitiesFor(contentType: string): Ability[] {
    return this.#census.abilitiesFor(contentType)
  }

  /** Whether a connected worker could take such a job, now or later. */
  hasFor(contentType: string, requirements: Requirements): boolean {
    return this.#census.hasFor(contentType, requirements)
  }

  clockStepped(ms: number): void {
    this.#counted = null
    for (const worker of this.#workers.values()) worker.lastSeenAt += ms
    this.#breakers.clockStepped(ms)
  }

  /** No worker could reach the coordinator for `ms`. */
  stoodStill(ms: number): void {
    this.#counted = null
    const now = this.#now()
    for (const worker of this.#workers.values())
      worker.lastSeenAt = Math.min(now, worker.lastSeenAt + ms)
  }

  /** Removes workers without contact for a day, unless an operator drains them. */
  prune(): void {
    this.#breakers.prune(this.#now())
    for (const { workerId, directive, lastSeenAt } of this.all()) {
      if (lastSeenAt >= this.#now() - FORGET_AFTER || this.#holders.has(workerId)) continue
      if (directive === 'run') this.#remove(workerId)
    }
  }

  /** Removes a worker until its next contact. @throws {AppError} `not_found` */
  remove(workerId: string): void {
    this.known(workerId)
    this.#breakers.reset(workerId)
    this.#remove(workerId)
  }

  /** Removes a worker that has said goodbye; one that an operator drains stays. */
  left(workerId: string): void {
    const worker = this.#workers.get(workerId)
    if (worker?.directive === 'run') this.#remove(workerId)
  }

  /** @throws {AppError} `not_found` */
  known(workerId: string): Worker {
    const worker = this.#workers.get(workerId)
    if (worker !== undefined) return worker
    const message = `There is no worker ${workerId}: it has not contacted the coordinator within a day.`
    throw new AppError('not_found', message)
  }

  #reset(workerId: string): void {
    const was = this.setAsideOf(workerId)
    this.#breakers.reset(workerId)
    if (was === null) return
    this.#recount(workerId)
    this.#keep(workerId)
    this.#notify(this.#announceListeners, workerId)
    this.#changed(workerId)
  }

  #remove(workerId: string): void {
    this.#workers.delete(workerId)
    this.#counted?.remove(workerId)
    this.#keep(workerId)
    this.#changed(workerId)
  }

  #recount(workerId: string): void {
    const worker = this.#workers.get(workerId)
    if (worker !== undefined) this.#counted?.count(worker)
  }

  /** Writes down what is decided of a worker. */
  #keep(workerId: string): void {
    if (this.#board === undefined) return
    const { directive, lastSeenAt } = this.#workers.get(workerId) ?? {
      directive: 'run' as const,
      lastSeenAt: null,
    }
    const setAside = this.#breakers.opened(workerId, this.#now())
    const breaker = this.shared === null ? null : this.#breakers.stored(workerId)
    const isDecided = directive !== 'run' || setAside !== null || breaker !== null
    const shared = this.shared === null ? {} : { breaker }
    const row = isDecided ? { workerId, directive, lastSeenAt, setAside, ...shared } : null
    this.#kept(workerId, (this.shared ?? this.#board).put(workerId, row))
  }

  #kept(workerId: string, writing: Promise<unknown>): void {
    this.#keeping = writing.then(() => undefined)
    this.#keeping.catch((error: unknown) => {
      this.#log?.warn(
        { err: error, worker_id: workerId },
        'cannot write what is decided of this worker: it is lost at a restart',
      )
    })
  }

  #changed(workerId: string): void {
    this.#notify(this.#changeListeners, workerId)
  }

  #notify(listeners: readonly Listener[], workerId: string): void {
    for (const listener of listeners) listener(workerId)
  }

  /** The connected workers, all counted again only when one may have disconnected. */
  get #census(): Census {
    if (this.#counted?.isValid === true) return this.#counted
    return (this.#counted = new Census(this.#workers.values(), {
      now: this.#now,
      presentMs: PRESENT,
      setAsideUntil: (workerId) => this.#breakers.of(workerId, this.#now())?.untilAt ?? null,
      isHolding: (workerId) => this.#holders.has(workerId),
    }))
  }

  /** Removes the worker without contact for longest, unless an operator drains it. @throws {AppError} when all are connected. */
  #makeRoomFor(workerId: string): void {
    let oldest: Worker | null = null
    for (const one of this.#workers.values()) {
      if (one.directive !== 'run' || this.#holders.has(one.workerId)) continue
      if (oldest === null || one.lastSeenAt < oldest.lastSeenAt) oldest = one
    }
    if (oldest === null || oldest.lastSeenAt >= this.#now() - PRESENT)
      throw tooMany(workerId, this.#most)
    this.#remove(oldest.workerId)
  }

  #get(workerId: string): Worker {
    let worker = this.#workers.get(workerId)
    if (worker === undefined) {
      if (this.#workers.size >= this.#most) this.#makeRoomFor(workerId)
      worker = newWorker(workerId, this.#now())
      this.#workers.set(workerId, worker)
    }
    return worker
  }
}
