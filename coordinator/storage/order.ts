/** What orders jobs: when they were made, then their id. */
export interface OrderKey {
  createdAt: number
  jobId: string
}

/** The ids of all jobs by creation, oldest first. Ids of jobs that are gone stay until half of them are. */
export class JobOrder {
  #keys: OrderKey[] = []
  #gone = 0

  fill(keys: Iterable<OrderKey>): void {
    this.#keys = Array.from(keys, ({ createdAt, jobId }) => ({ createdAt, jobId })).sort(compare)
  }

  insert({ createdAt, jobId }: OrderKey): void {
    let at = this.#keys.length
    while (at > 0 && compare(this.#keys[at - 1]!, { createdAt, jobId }) > 0) at -= 1
    this.#keys.splice(at, 0, { createdAt, jobId })
  }

  /** Counts one as gone; `exists` decides which stay when it is time to tidy up. */
  removed(exists: (jobId: string) => boolean): void {
    this.#gone += 1
    if (this.#gone * 2 < this.#keys.length) return
    this.#keys = this.#keys.filter(({ jobId }) => exists(jobId))
    this.#gone = 0
  }

  /** Newest first, from the first that is older than `before`. */
  *newest(before?: OrderKey): Iterable<string> {
    // Tidying up makes a new list; whoever walks through this one may not lose its place.
    const keys = this.#keys
    for (let i = (before === undefined ? keys.length : this.#indexOf(before)) - 1; i >= 0; i -= 1)
      yield keys[i]!.jobId
  }

  /** The first place that is not before this one. */
  #indexOf(key: OrderKey): number {
    let low = 0
    let high = this.#keys.length
    while (low < high) {
      const middle = (low + high) >> 1
      if (compare(this.#keys[middle]!, key) < 0) low = middle + 1
      else high = middle
    }
    return low
  }
}

function compare(a: OrderKey, b: OrderKey): number {
  if (a.createdAt !== b.createdAt) return a.createdAt - b.createdAt
  return a.jobId < b.jobId ? -1 : Number(a.jobId > b.jobId)
}
