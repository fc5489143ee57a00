import { meets, type Ability, type Requirements } from '../job/requirements.ts'
import { isOpen, openSlots, type Worker } from './worker.ts'

/** Workers that are here and take work of the same kind. */
interface Group {
  ability: Ability
  workerIds: string[]
  slots: number
  /** Of those that are not set aside. */
  trustedSlots: number
}

export interface CensusRules {
  /** How long ago the last word of a worker that is here may be. */
  presentMs: number
  /** Until when a worker is set aside; null: it is not. */
  asideUntil: (workerId: string) => number | null
  /** Whether it holds an attempt: then it is here. One of the original protocol says nothing while it works. */
  isHolding: (workerId: string) => boolean
}

/** Who is here and takes work, counted once for all who ask: workers that have said the same are one group. */
export class Census {
  readonly #byType = new Map<string, Map<string | null, Group>>()
  /** Nobody has gone until then, by the time that was given. */
  readonly validUntil: number

  constructor(workers: Iterable<Worker>, now: number, rules: CensusRules) {
    const { presentMs, asideUntil, isHolding } = rules
    let validUntil = Infinity
    for (const worker of workers) {
      const goneAt = isHolding(worker.workerId) ? Infinity : worker.lastSeenAt + presentMs
      if (goneAt < now || !isOpen(worker)) continue
      const until = asideUntil(worker.workerId)
      validUntil = Math.min(validUntil, goneAt, until ?? Infinity)
      for (const type of worker.contentTypes) this.#count(type, worker, until === null)
    }
    this.validUntil = validUntil
  }

  /** The workers that may have such jobs, and how many they do at a time: those who are set aside only where nobody else is here. */
  whoFor(contentType: string, requirements: Requirements): { workerIds: string[]; slots: number } {
    const groups = [...(this.#byType.get(contentType)?.values() ?? [])].filter(({ ability }) =>
      meets(ability, requirements),
    )
    const trusted = groups.reduce((sum, group) => sum + group.trustedSlots, 0)
    const all = groups.reduce((sum, group) => sum + group.slots, 0)
    return {
      workerIds: groups.flatMap(({ workerIds }) => workerIds),
      slots: trusted > 0 ? trusted : all,
    }
  }

  /** Whether somebody who is not set aside has a slot for such jobs. */
  hasTrustedFor(contentType: string, requirements: Requirements): boolean {
    for (const { ability, trustedSlots } of this.#byType.get(contentType)?.values() ?? [])
      if (trustedSlots > 0 && meets(ability, requirements)) return true
    return false
  }

  /** Whether anybody may have such jobs, now or later. */
  hasFor(contentType: string, requirements: Requirements): boolean {
    for (const { ability } of this.#byType.get(contentType)?.values() ?? [])
      if (meets(ability, requirements)) return true
    return false
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
