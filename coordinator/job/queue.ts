import TinyQueue from 'tinyqueue'
import { SortedList } from './sorted-list.ts'
import { openAtOf, type PendingJob } from './job.ts'
import {
  meets,
  requirementsOf,
  UNKNOWN_ABILITY,
  type Ability,
  type Requirements,
} from './requirements.ts'

/** Kinds of one submitter that may wait at a time: each costs every claim a comparison. */
export const MAX_KINDS = 100

interface Kind {
  submittedBy: string | null
  contentType: string
  requirements: Requirements
}

interface Entry {
  jobId: string
  contentType: string
  priority: number
  createdAt: number
  /** Breaks ties: the order of arrival. */
  seq: number
  availableAt: number
  reservedFor: string | null
  /** From then on any worker may have it. */
  openAt: number
  requirements: Requirements
  /** False for an entry that has left the queue: it stays in its heaps until it reaches the top. */
  live: boolean
  sizeBytes: number
  submittedBy: string | null
}

/** A job's place among those of its content type, from 1, and the bytes before it. */
export interface Place {
  position: number
  bytesAhead: number
}

type Ranked = Pick<PendingJob, 'priority' | 'createdAt'>
type Heap = TinyQueue<Entry>
/** The jobs of one content type: a heap per set of requirements, by its key. */
type Shelf = Map<string, { requirements: Requirements; heap: Heap }>

/**
 * The pending jobs by content type and requirements, ordered by priority, then age. A claim costs O(log n) for each of
 * the few sets of requirements; a job that left is dropped when it reaches the top of a heap.
 */
export class JobQueue {
  readonly #entries = new Map<string, Entry>()
  /** Open to every worker, per content type. */
  readonly #ready = new Map<string, Shelf>()
  /** Reserved, per worker and content type. */
  readonly #reserved = new Map<string, Shelf>()
  /** Not yet open to every worker, soonest first. */
  readonly #delayed: Heap = new TinyQueue<Entry>([], (a, b) => a.openAt - b.openAt)
  /** All of a content type, in the queue's order. */
  readonly #lines = new Map<string, SortedList<Entry>>()
  readonly #kinds = new Kinds()
  #seq = 0

  get size(): number {
    return this.#entries.size
  }

  has(jobId: string): boolean {
    return this.#entries.has(jobId)
  }

  /** Whether a job would exceed the kinds that its submitter may have waiting. */
  isOneKindTooMany(job: Pick<PendingJob, 'submittedBy' | 'contentType' | 'taskOptions'>): boolean {
    return this.#kinds.isOneTooMany({ ...job, requirements: requirementsOf(job) })
  }

  /** A job for the coordinator itself is handed to no worker. */
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
    let line = this.#lines.get(contentType)
    if (line === undefined)
      this.#lines.set(contentType, (line = new SortedList(before, ({ sizeBytes }) => sizeBytes)))
    line.insert(entry)
    this.#kinds.add(entry)
    if (openAt <= now) shelve(this.#ready, contentType, entry)
    else this.#delayed.push(entry)
    if (reservedFor !== null && openAt > now) {
      // An operator who chose a worker knew which others had failed.
      const requirements = requirementsOf({ contentType, taskOptions: job.taskOptions })
      shelve(this.#reserved, reservedKey(reservedFor, contentType), entry, requirements)
    }
  }

  remove(jobId: string): void {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return
    entry.live = false
    const line = this.#lines.get(entry.contentType)!
    line.delete(entry)
    if (line.size === 0) this.#lines.delete(entry.contentType)
    this.#kinds.delete(entry)
    this.#entries.delete(jobId)
  }

  /**
   * Takes out the best job that this worker may have now.
   * @param ability jobs that require something else are skipped.
   * @param isLeft which jobs it leaves to others, unless they are reserved for it.
   */
  take(
    contentTypes: readonly string[],
    workerId: string,
    now: number,
    ability: Ability = UNKNOWN_ABILITY,
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

  /** Moves the jobs that have become available to the ready heaps, and returns them. */
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

  nextOpenAt(): number | null {
    return firstLive(this.#delayed)?.openAt ?? null
  }

  /** Null when it does not wait. */
  place(jobId: string): Place | null {
    const entry = this.#entries.get(jobId)
    if (entry === undefined) return null
    const { count, weight } = this.#lines.get(entry.contentType)!.before(entry)
    return { position: count + 1, bytesAhead: weight }
  }
}

/** Counts the waiting jobs of each kind (content type and requirements), by submitter. */
export class Kinds {
  readonly #counts = new Map<string | null, Map<string, number>>()

  add(kind: Kind): void {
    let own = this.#counts.get(kind.submittedBy)
    if (own === undefined) this.#counts.set(kind.submittedBy, (own = new Map()))
    const key = kindKey(kind)
    own.set(key, (own.get(key) ?? 0) + 1)
  }

  delete(kind: Kind): void {
    const own = this.#counts.get(kind.submittedBy)
    const key = kindKey(kind)
    const count = (own?.get(key) ?? 0) - 1
    if (count > 0) own?.set(key, count)
    else own?.delete(key)
    if (own?.size === 0) this.#counts.delete(kind.submittedBy)
  }

  isOneTooMany(kind: Kind): boolean {
    const own = this.#counts.get(kind.submittedBy)
    return own !== undefined && own.size >= MAX_KINDS && !own.has(kindKey(kind))
  }
}

function kindKey({ contentType, requirements }: Kind): string {
  return JSON.stringify([contentType, requirements.key])
}

/** The queue's order. */
export function goesBefore(a: Ranked, b: Ranked): boolean {
  return a.priority > b.priority || (a.priority === b.priority && a.createdAt < b.createdAt)
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

/** The first of every heap that a worker may take from. Empty heaps are dropped: clients choose the keys. */
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
