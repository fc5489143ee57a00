import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { lastAttempt, type Job } from '../job/job.ts'
import { meets, type Ability, type Requirements } from '../job/requirements.ts'
import { isOpen, openSlots, type Worker } from './worker.ts'

/** Connected workers of equal ability. */
interface Group {
  ability: Ability
  workers: number
  slots: number
  /** Without those that are set aside. */
  trustedSlots: number
}

/** What a connected worker counts for. */
interface Entry {
  ability: Ability
  types: readonly string[]
  slots: number
  isTrusted: boolean
}

export interface CensusRules {
  now: () => number
  /** How long ago a connected worker's last contact may be. */
  presentMs: number
  /** Null: not set aside. */
  setAsideUntil: (workerId: string) => number | null
  isHolding: (workerId: string) => boolean
}

/** The connected workers that may have certain jobs. */
export interface Able extends Pick<ReadonlySet<string>, 'has' | 'size'> {
  /** Their slots: of those set aside only where there are no others. */
  slots: number
}

/** Where those are counted that have not said yet which types they take. */
const NO_TYPE = ''

/** The connected workers that take work, grouped by ability. Each change of a worker is counted by itself. */
export class Census {
  readonly #rules: CensusRules
  readonly #countedAt: number
  readonly #entries = new Map<string, Entry>()
  readonly #byType = new Map<string, Map<string | null, Group>>()
  /** Until then no worker disconnects. */
  #validUntil = Infinity

  constructor(workers: Iterable<Worker>, rules: CensusRules) {
    this.#rules = rules
    this.#countedAt = rules.now()
    for (const worker of workers) this.count(worker)
  }

  /** Whether no worker has disconnected since the count. */
  get isValid(): boolean {
    const now = this.#rules.now()
    return now >= this.#countedAt && now <= this.#validUntil
  }

  /** Counts a worker as it is by now. */
  count(worker: Worker): void {
    const { now, presentMs, setAsideUntil, isHolding } = this.#rules
    const { workerId, ability, contentTypes } = worker
    this.remove(workerId)
    const goneAt = isHolding(workerId) ? Infinity : worker.lastSeenAt + presentMs
    if (goneAt < now() || !isOpen(worker)) return
    const until = setAsideUntil(workerId)
    this.#validUntil = Math.min(this.#validUntil, goneAt, until ?? Infinity)
    const types = contentTypes.length === 0 ? [NO_TYPE] : contentTypes
    const entry = { ability, types, slots: openSlots(worker), isTrusted: until === null }
    this.#entries.set(workerId, entry)
    this.#add(entry, 1)
  }

  remove(workerId: string): void {
    const entry = this.#entries.get(workerId)
    if (entry === undefined) return
    this.#entries.delete(workerId)
    this.#add(entry, -1)
  }

  workersFor(contentType: string, requirements: Requirements): Able {
    let [size, slots, trusted] = [0, 0, 0]
    for (const group of this.#groupsFor(contentType, requirements)) {
      size += group.workers
      slots += group.slots
      trusted += group.trustedSlots
    }
    const has = (workerId: string): boolean => {
      const entry = this.#entries.get(workerId)
      return entry?.types.includes(contentType) === true && meets(entry.ability, requirements)
    }
    return { has, size, slots: trusted > 0 ? trusted : slots }
  }

  /** Whether a worker that is not set aside has a slot for such jobs. */
  hasTrustedFor(contentType: string, requirements: Requirements): boolean {
    for (const { trustedSlots } of this.#groupsFor(contentType, requirements))
      if (trustedSlots > 0) return true
    return false
  }

  /** Whether any connected worker may have such jobs, now or later. */
  hasFor(contentType: string, requirements: Requirements): boolean {
    for (const _ of this.#groupsFor(contentType, requirements)) return true
    return false
  }

  /** The abilities of those that take a content type, or have not said yet what they take. */
  abilitiesFor(contentType: string): Ability[] {
    return [contentType, NO_TYPE].flatMap((type) =>
      [...(this.#byType.get(type)?.values() ?? [])].map(({ ability }) => ability),
    )
  }

  *#groupsFor(contentType: string, requirements: Requirements): Iterable<Group> {
    for (const group of this.#byType.get(contentType)?.values() ?? [])
      if (meets(group.ability, requirements)) yield group
  }

  #add({ ability, types, slots, isTrusted }: Entry, by: 1 | -1): void {
    for (const type of types) {
      let groups = this.#byType.get(type)
      if (groups === undefined) this.#byType.set(type, (groups = new Map()))
      let group = groups.get(ability.key)
      if (group === undefined)
        groups.set(ability.key, (group = { ability, workers: 0, slots: 0, trustedSlots: 0 }))
      group.workers += by
      group.slots += by * slots
      if (isTrusted) group.trustedSlots += by * slots
      // Workers choose both keys: unused ones are dropped.
      if (group.workers === 0) groups.delete(ability.key)
      if (groups.size === 0) this.#byType.delete(type)
    }
  }
}

/** Which workers hold attempts. They count as connected: an original worker sends nothing while it works. */
export class Holders {
  readonly #workerByJob = new Map<string, string>()
  readonly #counts = new Map<string, number>()

  has(workerId: string): boolean {
    return this.#counts.has(workerId)
  }

  /** Records a job's state. @returns the workers that hold one more by it, or one less. */
  note(jobId: string, after: Job | null): string[] {
    const before = this.#workerByJob.get(jobId)
    const now = after?.status === 'processing' ? lastAttempt(after)?.workerId : undefined
    const holder = now === LOCAL_WORKER ? undefined : now
    if (before === holder) return []
    if (before !== undefined) this.#add(before, -1)
    if (holder === undefined) this.#workerByJob.delete(jobId)
    else {
      this.#workerByJob.set(jobId, holder)
      this.#add(holder, 1)
    }
    return [before, holder].filter((one) => one !== undefined)
  }

  #add(workerId: string, by: number): void {
    const count = (this.#counts.get(workerId) ?? 0) + by
    if (count === 0) this.#counts.delete(workerId)
    else this.#counts.set(workerId, count)
  }
}
