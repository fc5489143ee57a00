import TinyQueue from 'tinyqueue'
import type { PendingJob } from './job.ts'

interface Entry {
  jobId: string
  contentType: string
  priority: number
  createdAt: number
  /** Breaks ties: the order in which the queue met them. */
  seq: number
  availableAt: number
  reservedFor: string | null
  /** From then on every worker may have it. */
  openAt: number
  /** An entry that left the queue stays in its heaps until it comes up. */
  live: boolean
}

type Heap = TinyQueue<Entry>

/**
 * The pending jobs, by content type: a job of higher priority first, then the older one. A claim costs O(log n), however
 * many wait; a job that left is dropped when it reaches the top of a heap.
 */
export class JobQueue {
  readonly #entries = new Map<string, Entry>()
  /** Ready for anybody, per content type. */
  readonly #ready = new Map<string, Heap>()
  /** Ready for one worker only, per worker and content type. */
  readonly #reserved = new Map<string, Heap>()
  /** Not yet open to everybody, soonest first. */
  readonly #delayed: Heap = new TinyQueue<Entry>([], (a, b) => a.openAt - b.openAt)
  #seq = 0

  get size(): number {
    return this.#entries.size
  }

  has(jobId: string): boolean {
    return this.#entries.has(jobId)
  }

  add(job: PendingJob, now: number): void {
    this.remove(job.jobId)
    const { jobId, contentType, priority, createdAt, availableAt, reserved } = job
    const openAt = Math.max(availableAt, reserved?.untilAt ?? 0)
    const reservedFor = reserved?.workerId ?? null
    const entry = {
      jobId,
      contentType,
      priority,
      createdAt,
      seq: this.#seq++,
      availableAt,
      reservedFor,
      openAt,
      live: true,
    }
    this.#entries.set(jobId, entry)
    if (openAt <= now) heapOf(this.#ready, contentType).push(entry)
    else this.#delayed.push(entry)
    if (reservedFor !== null && openAt > now)
      heapOf(this.#reserved, reservedKey(reservedFor, contentType)).push(entry)
  }

  remove(jobId: string): void {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return
    entry.live = false
    this.#entries.delete(jobId)
  }

  /** Takes out the best job that this worker may have now, or null. */
  take(contentTypes: readonly string[], workerId: string, now: number): string | null {
    this.open(now)
    let best: Entry | undefined
    for (const type of contentTypes) {
      for (const heap of [this.#ready.get(type), this.#reserved.get(reservedKey(workerId, type))]) {
        const top = heap === undefined ? undefined : firstLive(heap)
        if (
          top !== undefined &&
          top.availableAt <= now &&
          (best === undefined || before(top, best) < 0)
        )
          best = top
      }
    }
    if (best === undefined) return null
    this.remove(best.jobId)
    return best.jobId
  }

  /** Moves what has become available to the ready heaps and says which jobs those are. */
  open(now: number): { jobId: string; contentType: string }[] {
    const opened: Entry[] = []
    for (
      let next = firstLive(this.#delayed);
      next !== undefined && next.openAt <= now;
      next = firstLive(this.#delayed)
    ) {
      this.#delayed.pop()
      heapOf(this.#ready, next.contentType).push(next)
      opened.push(next)
    }
    return opened
  }

  /** When the next waiting job becomes available, or null. */
  nextOpenAt(): number | null {
    return firstLive(this.#delayed)?.openAt ?? null
  }

  /** How many jobs of its content type go before this one, plus one; null when it does not wait. O(n), for display. */
  position(jobId: string): number | null {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return null
    let ahead = 0
    for (const other of this.#entries.values()) {
      if (other.contentType === entry.contentType && before(other, entry) < 0) ahead += 1
    }
    return ahead + 1
  }
}

function before(a: Entry, b: Entry): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || a.seq - b.seq
}

function heapOf(heaps: Map<string, Heap>, key: string): Heap {
  let heap = heaps.get(key)
  if (heap === undefined) heaps.set(key, (heap = new TinyQueue<Entry>([], before)))
  return heap
}

function firstLive(heap: Heap): Entry | undefined {
  while (heap.peek()?.live === false) heap.pop()
  return heap.peek()
}

function reservedKey(workerId: string, contentType: string): string {
  return JSON.stringify([workerId, contentType])
}
