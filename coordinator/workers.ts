import { DAY, MINUTE } from '../shared/duration.ts'
import type { Directive, HeartbeatRequest } from '../shared/wire.ts'

/** What is known of a worker: what it last said, and when. In memory: it says it again within a heartbeat. */
export interface Worker {
  workerId: string
  state: HeartbeatRequest['state'] | null
  version: string | null
  slots: number
  device: string | null
  contentTypes: readonly string[]
  firstSeenAt: number
  lastSeenAt: number
  directive: Directive
}

const FORGET_AFTER = DAY
/** A worker that was silent for longer counts no more as one who could take a job. */
const PRESENT = 2 * MINUTE

/** Who has asked for work or sent a heartbeat lately, and what an operator wants of them. */
export class Workers {
  readonly #workers = new Map<string, Worker>()
  readonly #now: () => number

  constructor(now: () => number) {
    this.#now = now
  }

  seen(workerId: string, news: Partial<Omit<Worker, 'workerId' | 'directive'>>): Worker {
    const worker = this.#get(workerId)
    Object.assign(worker, news, { lastSeenAt: this.#now() })
    return worker
  }

  direct(workerId: string, directive: Directive): Worker {
    const worker = this.#get(workerId)
    worker.directive = directive
    return worker
  }

  directiveOf(workerId: string): Directive {
    return this.#workers.get(workerId)?.directive ?? 'run'
  }

  all(): Worker[] {
    return [...this.#workers.values()]
  }

  /** How many jobs of a content type the workers that are here can do at a time. */
  slotsFor(contentType: string): number {
    const since = this.#now() - PRESENT
    return this.all()
      .filter((one) => one.lastSeenAt >= since && one.contentTypes.includes(contentType))
      .reduce((sum, { slots }) => sum + slots, 0)
  }

  /** Forgets who has been silent for a day. */
  prune(): void {
    for (const { workerId, lastSeenAt } of this.all()) {
      if (lastSeenAt < this.#now() - FORGET_AFTER) this.#workers.delete(workerId)
    }
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
