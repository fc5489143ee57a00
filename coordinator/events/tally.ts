import { STATUSES, type Status } from '../../shared/wire.ts'
import { openAtOf, type Job } from '../job/job.ts'

export type Counts = Record<Status, number>

interface OfType {
  counts: Counts
  /** Since when each waiting job is open, by its id. */
  waiting: Map<string, number>
}

/** Counts jobs by content type and status, from their changes. */
export class Tally {
  readonly #types = new Map<string, OfType>()
  readonly #filter: (job: Job) => boolean

  /** @param filter which jobs count, by their state before and after a change. */
  constructor(jobs: Iterable<Job>, filter: (job: Job) => boolean = () => true) {
    this.#filter = filter
    for (const job of jobs) this.change(null, job)
  }

  change(before: Job | null, after: Job | null): void {
    if (after !== null && this.#filter(after)) this.#add(after)
    if (before !== null && this.#filter(before)) this.#remove(before, after)
  }

  *types(): Iterable<{ contentType: string; counts: Counts; oldestWaitingAt: number | null }> {
    for (const [contentType, { counts, waiting }] of this.#types) {
      let oldestWaitingAt: number | null = null
      for (const at of waiting.values())
        if (oldestWaitingAt === null || at < oldestWaitingAt) oldestWaitingAt = at
      yield { contentType, counts, oldestWaitingAt }
    }
  }

  #add(job: Job): void {
    const { contentType, status, jobId } = job
    let type = this.#types.get(contentType)
    if (type === undefined)
      this.#types.set(contentType, (type = { counts: noCounts(), waiting: new Map() }))
    type.counts[status] += 1
    if (job.status === 'pending') type.waiting.set(jobId, openAtOf(job))
  }

  #remove({ contentType, status, jobId }: Job, after: Job | null): void {
    const type = this.#types.get(contentType)
    if (type === undefined) return
    type.counts[status] -= 1
    if (after?.status !== 'pending') type.waiting.delete(jobId)
    // Clients choose content types: unused ones are dropped.
    if (STATUSES.every((one) => type.counts[one] === 0)) this.#types.delete(contentType)
  }
}

function noCounts(): Counts {
  return { pending: 0, processing: 0, completed: 0, failed: 0, timeout: 0, cancelled: 0 }
}

export function sumOf(all: Iterable<Counts>): Counts {
  const sum = noCounts()
  for (const counts of all) for (const status of STATUSES) sum[status] += counts[status]
  return sum
}
