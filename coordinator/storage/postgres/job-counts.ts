import { noCounts, type Counts, type TypeCounts } from '../../job/tally.ts'
import { ENDED_STATUSES, type Status } from '../../../shared/wire.ts'
import type { Database } from './database.ts'
import { COUNT } from './statements.ts'

interface CountRow {
  content_type: string
  status: Status
  n: number
  oldest_at: number | null
}

interface Counted {
  rows: readonly CountRow[]
  at: number
  /** How long the count took, in milliseconds. */
  tookMs: number
  /** Whether this process has changed a job since. */
  isOld: boolean
}

const OPEN_STATUSES: readonly Status[] = ['pending', 'processing']
/** What others change is seen after so long. */
const MOST_AGE_MS = 2_000
/** A count that takes long is made again later: it costs at most this part of the time. */
const SHARE = 1 / 20
const CHEAP_MS = 20
const MOST_SUBMITTERS = 1_000

/** Counts jobs by type and status: as rarely as the table is large. */
export class JobCounts {
  readonly #database: Database
  readonly #counted = new Map<string, Counted>()
  readonly #counting = new Map<string, Promise<Counted>>()

  constructor(database: Database) {
    this.#database = database
  }

  /** Of one submitter, or of all. */
  async get(submittedBy?: string | null): Promise<TypeCounts[]> {
    const [open, ended] = await Promise.all([
      this.#rows(OPEN_STATUSES, submittedBy),
      this.#rows(ENDED_STATUSES, submittedBy),
    ])
    const types = new Map<
      string,
      { contentType: string; counts: Counts; oldestWaitingAt: number | null }
    >()
    for (const { content_type: contentType, status, n, oldest_at: oldest } of [...open, ...ended]) {
      let type = types.get(contentType)
      if (type === undefined)
        types.set(contentType, (type = { contentType, counts: noCounts(), oldestWaitingAt: null }))
      type.counts[status] = n
      if (status === 'pending') type.oldestWaitingAt = oldest
    }
    return [...types.values()]
  }

  /** This process has changed a job. */
  changed(): void {
    for (const counted of this.#counted.values()) counted.isOld = true
  }

  async #rows(
    statuses: readonly Status[],
    submittedBy: string | null | undefined,
  ): Promise<readonly CountRow[]> {
    const key = JSON.stringify([statuses, submittedBy ?? (submittedBy === null ? null : [])])
    let counting = this.#counting.get(key)
    if (counting === undefined) {
      const known = this.#counted.get(key)
      if (known !== undefined && isFresh(known)) return known.rows
      counting = this.#count(key, statuses, submittedBy)
      this.#counting.set(key, counting)
    }
    return (await counting).rows
  }

  async #count(
    key: string,
    statuses: readonly Status[],
    submittedBy: string | null | undefined,
  ): Promise<Counted> {
    const at = performance.now()
    const counted: Counted = { rows: [], at, tookMs: 0, isOld: false }
    if (this.#counted.size >= MOST_SUBMITTERS) this.#counted.clear()
    this.#counted.set(key, counted)
    try {
      const values = [statuses, submittedBy !== undefined, submittedBy ?? null]
      counted.rows = await this.#database.query<CountRow>(COUNT, values)
      counted.tookMs = performance.now() - at
      return counted
    } catch (error) {
      this.#counted.delete(key)
      throw error
    } finally {
      this.#counting.delete(key)
    }
  }
}

function isFresh({ at, tookMs, isOld }: Counted): boolean {
  const age = performance.now() - at
  if (tookMs > CHEAP_MS && age < tookMs / SHARE) return true
  return !isOld && age < MOST_AGE_MS
}
