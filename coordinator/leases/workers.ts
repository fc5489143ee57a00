import { DAY, MINUTE } from '../../shared/duration.ts'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import type { Directive } from '../../shared/wire.ts'
import { lastAttempt, type Job } from '../job/job.ts'
import { NO_REQUIREMENTS, type Ability, type Requirements } from '../job/requirements.ts'
import { abilityOf } from './ability.ts'
import { Census } from './census.ts'
import { Holders } from './holders.ts'
import { newWorker, type Worker } from './worker.ts'
import { SetAsides, type AttemptEnd, type GivenBack, type SetAside } from '../job/set-aside.ts'

const FORGET_AFTER = DAY
/** A worker that was silent for longer counts no more as one who could take a job. */
export const PRESENT = 2 * MINUTE
/** Whoever makes names up fills no memory. */
const MOST = 10_000

/** Who has asked for work or sent a heartbeat lately, and what an operator wants of them. */
export class Workers {
  readonly #workers = new Map<string, Worker>()
  readonly #asides = new SetAsides()
  readonly #holders = new Holders()
  readonly #listeners: ((workerId: string) => void)[] = []
  readonly #changeListeners: ((workerId: string) => void)[] = []
  readonly #now: () => number
  #counted: { census: Census; countedAt: number } | null = null

  constructor(now: () => number) {
    this.#now = now
  }

  /** @throws {AppError} `too_many_requests` for a name more than are kept. */
  seen(
    workerId: string,
    news: Partial<Omit<Worker, 'workerId' | 'directive' | 'ability'>>,
  ): Worker {
    const worker = this.#get(workerId)
    Object.assign(worker, news, { lastSeenAt: this.#now() })
    const ability = abilityOf(workerId, worker.capabilities)
    const isOther = ability.key !== worker.ability.key
    worker.ability = ability
    if (isOther) this.#announce(workerId)
    this.#tell(workerId)
    return worker
  }

  /** Calls back with a worker that may have other jobs than before, by what it says or because it is trusted again. */
  onAnnounce(listener: (workerId: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Calls back with a worker that was heard of, was directed or is forgotten. */
  onChange(listener: (workerId: string) => void): void {
    this.#changeListeners.push(listener)
  }

  /** What is known of what a worker can do. */
  abilityOf(workerId: string): Ability {
    return this.#workers.get(workerId)?.ability ?? abilityOf(workerId, null)
  }

  /** Tells a worker what to do; one that is to run is no longer set aside either. */
  direct(workerId: string, directive: Directive): Worker {
    const worker = this.#get(workerId)
    worker.directive = directive
    if (directive === 'run') this.#forgive(workerId)
    this.#tell(workerId)
    return worker
  }

  /** Takes note of who holds a job by now. One that was never heard of, as after a restart, is known by that. */
  holds(jobId: string, job: Job | null): void {
    if (!this.#holders.note(jobId, job)) return
    this.#counted = null
    const workerId = job?.status === 'processing' ? lastAttempt(job)!.workerId : LOCAL_WORKER
    if (workerId === LOCAL_WORKER || this.#workers.has(workerId)) return
    this.seen(workerId, { contentTypes: [job!.contentType] })
  }

  /** Takes note of how a worker's attempt has ended; the set-aside that follows from it, or null. */
  ended(end: AttemptEnd): SetAside | null {
    const { workerId } = end
    // Who falls back to itself has nobody else to leave the work to.
    if (workerId === LOCAL_WORKER) return null
    if (end.errorCode === null) this.#forgive(workerId)
    const aside = this.#asides.note(end)
    this.#counted = null
    if (aside !== null) this.#tell(workerId)
    return aside
  }

  /** Takes note of an attempt that a worker has given back; the set-aside that follows from it, or null. */
  gaveBack(attempt: GivenBack): SetAside | null {
    const { workerId } = attempt
    if (workerId === LOCAL_WORKER) return null
    const aside = this.#asides.noteGivenBack(attempt)
    this.#counted = null
    if (aside !== null) this.#tell(workerId)
    return aside
  }

  /** Why a worker gets nothing for now that others can do, or null. */
  setAsideOf(workerId: string): SetAside | null {
    return this.#asides.of(workerId, this.#now())
  }

  /** What a worker that is set aside has to leave to others who are here; undefined: it is not. */
  leftBy(
    workerId: string,
  ): ((contentType: string, requirements: Requirements) => boolean) | undefined {
    if (this.setAsideOf(workerId) === null) return undefined
    return (contentType, requirements) => this.#here.hasTrustedFor(contentType, requirements)
  }

  directiveOf(workerId: string): Directive {
    return this.#workers.get(workerId)?.directive ?? 'run'
  }

  all(): Worker[] {
    return [...this.#workers.values()]
  }

  /** How many jobs of a content type the workers that are here can do at a time. */
  slotsFor(contentType: string, requirements = NO_REQUIREMENTS): number {
    return this.#here.whoFor(contentType, requirements).slots
  }

  /** The workers that are here and take such jobs. */
  idsFor(contentType: string, requirements = NO_REQUIREMENTS): readonly string[] {
    return this.#here.whoFor(contentType, requirements).workerIds
  }

  /** Whether somebody is here who could take such a job, now or later. */
  hasFor(contentType: string, requirements: Requirements): boolean {
    return this.#here.hasFor(contentType, requirements)
  }

  /** The clock was set by so much: nobody is the more silent for it. */
  clockStepped(ms: number): void {
    this.#counted = null
    for (const worker of this.#workers.values()) worker.lastSeenAt += ms
    this.#asides.clockStepped(ms)
  }

  /** For so long we could not hear anybody. */
  stoodStill(ms: number): void {
    this.#counted = null
    const now = this.#now()
    for (const worker of this.#workers.values())
      worker.lastSeenAt = Math.min(now, worker.lastSeenAt + ms)
  }

  /** Forgets who has been silent for a day. */
  prune(): void {
    this.#asides.prune(this.#now())
    for (const { workerId, lastSeenAt } of this.all()) {
      if (lastSeenAt >= this.#now() - FORGET_AFTER || this.#holders.has(workerId)) continue
      this.#workers.delete(workerId)
      this.#tell(workerId)
    }
  }

  /** Forgets one, until it is heard of again. @throws {AppError} `not_found` */
  remove(workerId: string): void {
    this.known(workerId)
    this.#asides.forgive(workerId)
    this.#workers.delete(workerId)
    this.#tell(workerId)
  }

  /** One has said that it ends: nobody is to look for it. Whom a person has sent home stays so. */
  left(workerId: string): void {
    const worker = this.#workers.get(workerId)
    if (worker === undefined || worker.directive !== 'run') return
    this.#workers.delete(workerId)
    this.#tell(workerId)
  }

  /** @throws {AppError} `not_found` */
  known(workerId: string): Worker {
    const worker = this.#workers.get(workerId)
    if (worker !== undefined) return worker
    const message = `There is no worker ${workerId}: it was never heard of, or not for a day.`
    throw new AppError('not_found', message)
  }

  #forgive(workerId: string): void {
    const was = this.setAsideOf(workerId)
    this.#asides.forgive(workerId)
    if (was === null) return
    this.#announce(workerId)
    this.#tell(workerId)
  }

  #announce(workerId: string): void {
    this.#counted = null
    for (const listener of this.#listeners) listener(workerId)
  }

  #tell(workerId: string): void {
    this.#counted = null
    for (const listener of this.#changeListeners) listener(workerId)
  }

  /** Who is here, counted again only when that may have changed. */
  get #here(): Census {
    const now = this.#now()
    const { census, countedAt } = this.#counted ?? {}
    if (census !== undefined && now >= countedAt! && now <= census.validUntil) return census
    const asideUntil = (workerId: string): number | null =>
      this.#asides.of(workerId, now)?.untilAt ?? null
    const isHolding = (workerId: string): boolean => this.#holders.has(workerId)
    const rules = { presentMs: PRESENT, asideUntil, isHolding }
    const counted = new Census(this.#workers.values(), now, rules)
    this.#counted = { census: counted, countedAt: now }
    return counted
  }

  /** Forgets who has been silent for longest; not whom a person has sent home. @throws {AppError} when all are here. */
  #makeRoomFor(workerId: string): void {
    let oldest: Worker | null = null
    for (const one of this.#workers.values()) {
      if (one.directive !== 'run' || this.#holders.has(one.workerId)) continue
      if (oldest === null || one.lastSeenAt < oldest.lastSeenAt) oldest = one
    }
    if (oldest === null || oldest.lastSeenAt >= this.#now() - PRESENT) throw tooMany(workerId)
    this.#workers.delete(oldest.workerId)
    this.#tell(oldest.workerId)
  }

  #get(workerId: string): Worker {
    let worker = this.#workers.get(workerId)
    if (worker === undefined) {
      if (this.#workers.size >= MOST) this.#makeRoomFor(workerId)
      worker = newWorker(workerId, this.#now())
      this.#workers.set(workerId, worker)
    }
    return worker
  }
}

function tooMany(workerId: string): AppError {
  const message = `${MOST} workers are known, which is the limit: '${printable(workerId, { most: 200 })}' has to wait until one of them is silent for two minutes.`
  return new AppError('too_many_requests', message)
}
