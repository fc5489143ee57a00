/** Jobs are ordered by creation, then id. */
export interface OrderKey {
  createdAt: number
  jobId: string
}

/** The ids of all jobs, oldest first. Removed ones are dropped when they are half of it. */
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

  /** Counts a removed job. @param exists which ids to keep when the list is rebuilt. */
  removed(exists: (jobId: string) => boolean): void {
    this.#gone += 1
    if (this.#gone * 2 < this.#keys.length) return
    this.#keys = this.#keys.filter(({ jobId }) => exists(jobId))
    this.#gone = 0
  }

  /** Newest first, from the first that is older than `before`. */
  *newest(before?: OrderKey): Iterable<string> {
    // A rebuild makes a new list; iterations keep their place in the old one.
    const keys = this.#keys
    for (let i = (before === undefined ? keys.length : this.#indexOf(before)) - 1; i >= 0; i -= 1)
      yield keys[i]!.jobId
  }

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
