import { STATUSES, type Status } from '../../shared/wire.ts'
import { SortedList } from './sorted-list.ts'
import { openAtOf, type Job, type PendingJob } from './job.ts'

export type Counts = Record<Status, number>

/** The jobs of a content type. */
export interface TypeCounts {
  contentType: string
  counts: Counts
  oldestWaitingAt: number | null
}

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

  constructor(jobs: Iterable<Job>) {
    for (const job of jobs) this.change(null, job)
  }

  change(before: Job | null, after: Job | null): void {
    if (after !== null) this.#count(after, 1)
    if (before !== null) this.#count(before, -1)
    this.#wait((after ?? before)!, after?.status === 'pending' ? after : null)
  }

  *types(): Iterable<TypeCounts> {
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

export function noCounts(): Counts {
  return { pending: 0, processing: 0, completed: 0, failed: 0, timeout: 0, cancelled: 0 }
}

export function sumOf(all: Iterable<Counts>): Counts {
  const sum = noCounts()
  for (const counts of all) for (const status of STATUSES) sum[status] += counts[status]
  return sum
}

/** Those that are not done. */
export function openIn({ pending, processing }: Counts): number {
  return pending + processing
}
