import { DAY, MINUTE } from '../shared/duration.ts'
import type { Capabilities, Device, PausedSlot } from '../shared/announcement.ts'
import type { Directive, HeartbeatRequest } from '../shared/wire.ts'
import { meets, NO_REQUIREMENTS, type Requirements } from './requirements.ts'

/** What is known of a worker: what it last said, and when. In memory: it says it again within a heartbeat. */
export interface Worker {
  workerId: string
  state: HeartbeatRequest['state'] | null
  version: string | null
  slots: number
  device: string | null
  /** Null: it has not said. */
  capabilities: Capabilities | null
  devices: readonly Device[]
  /** Slots that take no work for now. */
  paused: readonly PausedSlot[]
  contentTypes: readonly string[]
  firstSeenAt: number
  lastSeenAt: number
  directive: Directive
}

const FORGET_AFTER = DAY
/** A worker that was silent for longer counts no more as one who could take a job. */
export const PRESENT = 2 * MINUTE

/** Who has asked for work or sent a heartbeat lately, and what an operator wants of them. */
export class Workers {
  readonly #workers = new Map<string, Worker>()
  readonly #listeners: ((workerId: string) => void)[] = []
  readonly #changeListeners: ((workerId: string) => void)[] = []
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  seen(workerId: string, news: Partial<Omit<Worker, 'workerId' | 'directive'>>): Worker {
    const worker = this.#get(workerId)
    const before = JSON.stringify(worker.capabilities)
    Object.assign(worker, news, { lastSeenAt: this.#now() })
    if (JSON.stringify(worker.capabilities) !== before) {
      for (const listener of this.#listeners) listener(workerId)
    }
    this.#tell(workerId)
    return worker
  }

  /** Calls back with a worker that has said that it can do other things than before. */
  onAnnounce(listener: (workerId: string) => void): void {
    this.#listeners.push(listener)
  }

  /** Calls back with a worker that was heard of, was directed or is forgotten. */
  onChange(listener: (workerId: string) => void): void {
    this.#changeListeners.push(listener)
  }

  /** What a worker last said that it can do, or null. */
  capabilitiesOf(workerId: string): Capabilities | null {
    return this.#workers.get(workerId)?.capabilities ?? null
  }

  direct(workerId: string, directive: Directive): Worker {
    const worker = this.#get(workerId)
    worker.directive = directive
    this.#tell(workerId)
    return worker
  }

  directiveOf(workerId: string): Directive {
    return this.#workers.get(workerId)?.directive ?? 'run'
  }

  all(): Worker[] {
    return [...this.#workers.values()]
  }

  /** How many jobs of a content type the workers that are here can do at a time. */
  slotsFor(contentType: string, requirements = NO_REQUIREMENTS): number {
    return this.#fit(contentType, requirements).reduce((sum, one) => sum + openSlots(one), 0)
  }

  /** How many workers are here that take such jobs. */
  countFor(contentType: string): number {
    return this.#fit(contentType, NO_REQUIREMENTS).filter(isOpen).length
  }

  /** Whether somebody is here who could take such a job, now or later. */
  hasFor(contentType: string, requirements: Requirements): boolean {
    return this.#fit(contentType, requirements).some(isOpen)
  }

  /** Forgets who has been silent for a day. */
  prune(): void {
    for (const { workerId, lastSeenAt } of this.all()) {
      if (lastSeenAt >= this.#now() - FORGET_AFTER) continue
      this.#workers.delete(workerId)
      this.#tell(workerId)
    }
  }

  #tell(workerId: string): void {
    for (const listener of this.#changeListeners) listener(workerId)
  }

  #fit(contentType: string, requirements: Requirements): Worker[] {
    const since = this.#now() - PRESENT
    return this.all().filter(
      (one) =>
        one.lastSeenAt >= since &&
        one.contentTypes.includes(contentType) &&
        meets(one.capabilities, requirements),
    )
  }

  #get(workerId: string): Worker {
    let worker = this.#workers.get(workerId)
    if (worker === undefined) {
      const now = this.#now()
      worker = {
        workerId,
        state: null,
        version: null,
        slots: 1,
        device: null,
        capabilities: null,
        devices: [],
        paused: [],
        contentTypes: [],
        firstSeenAt: now,
        lastSeenAt: now,
        directive: 'run',
      }
      this.#workers.set(workerId, worker)
    }
    return worker
  }
}

function isOpen({ directive }: Worker): boolean {
  return directive === 'run'
}

function openSlots({ slots, paused }: Worker): number {
  return Math.max(0, slots - new Set(paused.map(({ slot }) => slot)).size)
}
