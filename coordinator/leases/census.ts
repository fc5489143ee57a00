import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { lastAttempt, type Job } from '../job/job.ts'
import { meets, type Ability, type Requirements } from '../job/requirements.ts'
import { isOpen, openSlots, type Worker } from './worker.ts'

/** Connected workers of equal ability. */
interface Group {
  ability: Ability
  workerIds: string[]
  slots: number
  /** Without those that are set aside. */
  trustedSlots: number
}

export interface CensusRules {
  /** How long ago a connected worker's last contact may be. */
  presentMs: number
  /** Null: not set aside. */
  setAsideUntil: (workerId: string) => number | null
  isHolding: (workerId: string) => boolean
}

/** The connected workers that take work, grouped by ability. */
export class Census {
  readonly #byType = new Map<string, Map<string | null, Group>>()
  readonly connected: Worker[] = []
  /** Until then no worker disconnects. */
  readonly validUntil: number

  constructor(workers: Iterable<Worker>, now: number, rules: CensusRules) {
    const { presentMs, setAsideUntil, isHolding } = rules
    let validUntil = Infinity
    for (const worker of workers) {
      const goneAt = isHolding(worker.workerId) ? Infinity : worker.lastSeenAt + presentMs
      if (goneAt < now || !isOpen(worker)) continue
      const until = setAsideUntil(worker.workerId)
      validUntil = Math.min(validUntil, goneAt, until ?? Infinity)
      this.connected.push(worker)
      for (const type of worker.contentTypes) this.#count(type, worker, until === null)
    }
    this.validUntil = validUntil
  }

  /** The workers that may have such jobs, and their slots: those set aside only where there are no others. */
  workersFor(
    contentType: string,
    requirements: Requirements,
  ): { workerIds: string[]; slots: number } {
    const groups = this.#groupsFor(contentType, requirements)
    const trusted = groups.reduce((sum, group) => sum + group.trustedSlots, 0)
    const all = groups.reduce((sum, group) => sum + group.slots, 0)
    return {
      workerIds: groups.flatMap(({ workerIds }) => workerIds),
      slots: trusted > 0 ? trusted : all,
    }
  }

  /** Whether a worker that is not set aside has a slot for such jobs. */
  hasTrustedFor(contentType: string, requirements: Requirements): boolean {
    return this.#groupsFor(contentType, requirements).some(({ trustedSlots }) => trustedSlots > 0)
  }

  /** Whether any connected worker may have such jobs, now or later. */
  hasFor(contentType: string, requirements: Requirements): boolean {
    return this.#groupsFor(contentType, requirements).length > 0
  }

  #groupsFor(contentType: string, requirements: Requirements): Group[] {
    const groups = [...(this.#byType.get(contentType)?.values() ?? [])]
    return groups.filter(({ ability }) => meets(ability, requirements))
  }

  #count(type: string, worker: Worker, isTrusted: boolean): void {
    const { ability, workerId } = worker
    let groups = this.#byType.get(type)
    if (groups === undefined) this.#byType.set(type, (groups = new Map()))
    let group = groups.get(ability.key)
    if (group === undefined)
      groups.set(ability.key, (group = { ability, workerIds: [], slots: 0, trustedSlots: 0 }))
    const slots = openSlots(worker)
    group.workerIds.push(workerId)
    group.slots += slots
    if (isTrusted) group.trustedSlots += slots
  }
}

/** Which workers hold attempts. They count as connected: an original worker sends nothing while it works. */
export class Holders {
  readonly #workerByJob = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  has(workerId: string): boolean {
    return this.#counts.has(workerId)
  }

  /** Records a job's state. @returns whether its holder has changed. */
  note(jobId: string, after: Job | null): boolean {
    const before = this.#workerByJob.get(jobId)
    const now = after?.status === 'processing' ? lastAttempt(after)?.workerId : undefined
    const holder = now === LOCAL_WORKER ? undefined : now
    if (before === holder) return false
    if (before !== undefined) this.#add(before, -1)
    if (holder === undefined) this.#workerByJob.delete(jobId)
    else {
      this.#workerByJob.set(jobId, holder)
      this.#add(holder, 1)
    }
    return true
  }

  #add(workerId: string, by: number): void {
    const count = (this.#counts.get(workerId) ?? 0) + by
    if (count === 0) this.#counts.delete(workerId)
    else this.#counts.set(workerId, count)
  }
}
