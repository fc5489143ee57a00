import TinyQueue from 'tinyqueue'
import { Kinds } from './kinds.ts'
import { openAtOf, type PendingJob } from './job.ts'
import { meets, requirementsOf, UNTOLD, type Ability, type Requirements } from './requirements.ts'

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
  requirements: Requirements
  /** An entry that left the queue stays in its heaps until it comes up. */
  live: boolean
  sizeBytes: number
  submittedBy: string | null
}

type Heap = TinyQueue<Entry>
/** The jobs of one content type, those with the same requirements in one heap, by the requirements' key. */
type Shelf = Map<string, { requirements: Requirements; heap: Heap }>

/**
 * The pending jobs, by content type and requirements: a job of higher priority first, then the older one. A claim costs
 * O(log n) for each of the few sets of requirements, however many jobs wait; a job that left is dropped when it reaches
 * the top of a heap.
 */
export class JobQueue {
  readonly #entries = new Map<string, Entry>()
  /** Ready for anybody, per content type. */
  readonly #ready = new Map<string, Shelf>()
  /** Ready for one worker only, per worker and content type. */
  readonly #reserved = new Map<string, Shelf>()
  /** Not yet open to everybody, soonest first. */
  readonly #delayed: Heap = new TinyQueue<Entry>([], (a, b) => a.openAt - b.openAt)
  readonly #kinds = new Kinds()
  #seq = 0

  get size(): number {
    return this.#entries.size
  }

  has(jobId: string): boolean {
    return this.#entries.has(jobId)
  }

  /** Whether a job would be of one kind more than its submitter may have waiting. */
  isOneKindTooMany(job: Pick<PendingJob, 'submittedBy' | 'contentType' | 'taskOptions'>): boolean {
    return this.#kinds.isOneTooMany({ ...job, requirements: requirementsOf(job) })
  }

  /** One that is for the coordinator itself is handed to nobody. */
  add(job: PendingJob, now: number): void {
    this.remove(job.jobId)
    if (job.ingestion?.local === true) return
    const { jobId, contentType, priority, createdAt, availableAt, reserved } = job
    const openAt = openAtOf(job)
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
      requirements: requirementsOf(job),
      live: true,
      sizeBytes: job.source.sizeBytes,
      submittedBy: job.submittedBy,
    }
    this.#entries.set(jobId, entry)
    this.#kinds.add(entry)
    if (openAt <= now) shelve(this.#ready, contentType, entry)
    else this.#delayed.push(entry)
    if (reservedFor !== null && openAt > now) {
      // Who chose its worker by hand did so after those that could not do it.
      const requirements = requirementsOf({ contentType, taskOptions: job.taskOptions })
      shelve(this.#reserved, reservedKey(reservedFor, contentType), entry, requirements)
    }
  }

  remove(jobId: string): void {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return
    entry.live = false
    this.#kinds.delete(entry)
    this.#entries.delete(jobId)
  }

  /**
   * Takes out the best job that this worker may have now, or null.
   * @param ability what is known of what the worker can do: it gets no job that requires something else.
   * @param isLeft which jobs it leaves to others, unless they are kept for it.
   */
  take(
    contentTypes: readonly string[],
    workerId: string,
    now: number,
    ability: Ability = UNTOLD,
    isLeft: (contentType: string, requirements: Requirements) => boolean = () => false,
  ): string | null {
    this.open(now)
    let best: Entry | undefined
    for (const type of contentTypes) {
      const tops = [
        ...topsOf(this.#ready, type, ability).filter(
          ({ requirements }) => !isLeft(type, requirements),
        ),
        ...topsOf(this.#reserved, reservedKey(workerId, type), ability),
      ]
      for (const top of tops) {
        if (top.availableAt <= now && (best === undefined || before(top, best) < 0)) best = top
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
      shelve(this.#ready, next.contentType, next)
      opened.push(next)
    }
    return opened
  }

  /** When the next waiting job becomes available, or null. */
  nextOpenAt(): number | null {
    return firstLive(this.#delayed)?.openAt ?? null
  }

  /**
   * A job's place among those of its content type, from 1, and how much those before it are together; null when it does
   * not wait. O(n), for display.
   */
  place(jobId: string): { position: number; bytesAhead: number } | null {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return null
    let [position, bytesAhead] = [1, 0]
    for (const other of this.#entries.values()) {
      if (other.contentType !== entry.contentType || before(other, entry) >= 0) continue
      position += 1
      bytesAhead += other.sizeBytes
    }
    return { position, bytesAhead }
  }
}

function before(a: Entry, b: Entry): number {
  return b.priority - a.priority || a.createdAt - b.createdAt || a.seq - b.seq
}

function shelve(
  shelves: Map<string, Shelf>,
  key: string,
  entry: Entry,
  requirements = entry.requirements,
): void {
  let shelf = shelves.get(key)
  if (shelf === undefined) shelves.set(key, (shelf = new Map()))
  const same = shelf.get(requirements.key)
  if (same === undefined)
    shelf.set(requirements.key, { requirements, heap: new TinyQueue<Entry>([entry], before) })
  else same.heap.push(entry)
}

/** The first of every heap that a worker may take from. What is empty is let go: keys are the clients' words. */
function topsOf(shelves: Map<string, Shelf>, key: string, ability: Ability): Entry[] {
  const shelf = shelves.get(key)
  if (shelf === undefined) return []
  const tops: Entry[] = []
  for (const [name, { requirements, heap }] of shelf) {
    const top = firstLive(heap)
    if (top === undefined) shelf.delete(name)
    else if (meets(ability, requirements)) tops.push(top)
  }
  if (shelf.size === 0) shelves.delete(key)
  return tops
}

function firstLive(heap: Heap): Entry | undefined {
  while (heap.peek()?.live === false) heap.pop()
  return heap.peek()
}

function reservedKey(workerId: string, contentType: string): string {
  return JSON.stringify([workerId, contentType])
}
