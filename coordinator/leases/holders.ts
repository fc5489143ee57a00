import { LOCAL_WORKER } from '../../shared/wire-fields.ts'
import { lastAttempt, type Job } from '../job/job.ts'

/** Which workers hold attempts: they are here, also those that say nothing while they work. */
export class Holders {
  /** By job, who holds it. */
  readonly #holders = new Map<string, string>()
  /** By worker, how many it holds. */
  readonly #counts = new Map<string, number>()

  has(workerId: string): boolean {
    return this.#counts.has(workerId)
  }

  /** Takes note of what has become of a job; whether somebody else holds it than before. */
  note(jobId: string, after: Job | null): boolean {
    const before = this.#holders.get(jobId)
    const now = after?.status === 'processing' ? lastAttempt(after)?.workerId : undefined
    const holder = now === LOCAL_WORKER ? undefined : now
    if (before === holder) return false
    if (before !== undefined) this.#add(before, -1)
    if (holder === undefined) this.#holders.delete(jobId)
    else {
      this.#holders.set(jobId, holder)
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
