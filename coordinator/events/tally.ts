import { STATUSES, type Status } from '../../shared/wire.ts'
import { openAtOf, type Job, type PendingJob } from '../job/job.ts'
import { SortedList } from '../sorted-list.ts'

export type Counts = Record<Status, number>

interface Wait {
  openAt: number
  jobId: string
}

interface OfType {
  counts: Counts
  /** Those that wait, the oldest first. */
  waiting: SortedList<Wait>
}

/** Counts jobs by content type and status, from their changes. */
export class Tally {
  readonly #types = new Map<string, OfType>()
  readonly #waits = new Map<string, Wait>()
  readonly #filter: (job: Job) => boolean

  /** @param filter which jobs count, by their state before and after a change. */
  constructor(jobs: Iterable<Job>, filter: (job: Job) => boolean = () => true) {
    this.#filter = filter
    for (const job of jobs) this.change(null, job)
  }

  change(before: Job | null, after: Job | null): void {
    if (after !== null && this.#filter(after)) this.#count(after, 1)
    if (before !== null && this.#filter(before)) this.#count(before, -1)
    const waits = after?.status === 'pending' && this.#filter(after) ? after : null
    this.#wait((after ?? before)!, waits)
  }

  *types(): Iterable<{ contentType: string; counts: Counts; oldestWaitingAt: number | null }> {
    for (const [contentType, { counts, waiting }] of this.#types)
      yield { contentType, counts, oldestWaitingAt: waiting.first?.openAt ?? null }
  }

  #count({ contentType, status }: Job, by: 1 | -1): void {
    let type = this.#types.get(contentType)
    if (type === undefined)
      this.#types.set(
        contentType,
        (type = { counts: noCounts(), waiting: new SortedList(compare) }),
      )
    type.counts[status] += by
    // Clients choose content types: unused ones are dropped.
    if (by < 0 && STATUSES.every((one) => type.counts[one] === 0)) this.#types.delete(contentType)
  }

  #wait({ contentType, jobId }: Job, after: PendingJob | null): void {
    const was = this.#waits.get(jobId)
    // Its type is gone where this was the last job.
    if (was !== undefined) this.#types.get(contentType)?.waiting.delete(was)
    this.#waits.delete(jobId)
    if (after === null) return
    const wait = { openAt: openAtOf(after), jobId }
    this.#waits.set(jobId, wait)
    this.#types.get(contentType)!.waiting.insert(wait)
  }
}

function compare(a: Wait, b: Wait): number {
  return a.openAt - b.openAt || (a.jobId < b.jobId ? -1 : Number(a.jobId > b.jobId))
}

function noCounts(): Counts {
  return { pending: 0, processing: 0, completed: 0, failed: 0, timeout: 0, cancelled: 0 }
}

export function sumOf(all: Iterable<Counts>): Counts {
  const sum = noCounts()
  for (const counts of all) for (const status of STATUSES) sum[status] += counts[status]
  return sum
}
