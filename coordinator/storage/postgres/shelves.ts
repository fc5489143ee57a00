import { HOUR, SECOND } from '../../../shared/duration.ts'
import type { PendingJob } from '../../job/job.ts'
import { meets, requirementsOf, type Requirements } from '../../job/requirements.ts'
import type { Order } from '../job-store.ts'
import type { Database } from './database.ts'
import { keyOf } from './rows.ts'
import { PUT_SHELF, SHELVES } from './statements.ts'

/** The place of a job on its shelf. */
export interface Ranked {
  rank: number
  created_at: number
}

/** Jobs of one content type and the same requirements. */
export interface Shelf {
  /** As its columns hold them. */
  contentType: string
  key: string
  requirements: Requirements
  /** Where to begin to look; null: at the first. Dead rows before it would be read each time. */
  from: Ranked | null
  /** When the database was told last that it is used. */
  usedAt: number
}

interface ShelfRow {
  content_type: string
  requires_key: string
  requirements: string
}

const REFRESH_MS = SECOND

/** The kinds of work that may wait: a claim looks where its worker may have something. */
export class Shelves {
  readonly #database: Database
  readonly #shelves = new Map<string, Shelf>()
  #refreshedAt = -Infinity

  constructor(database: Database) {
    this.#database = database
  }

  get size(): number {
    return this.#shelves.size
  }

  /** Learns those that others have made, and looks at each from its beginning again: at most once a second. */
  async refresh(): Promise<void> {
    const now = performance.now()
    if (now - this.#refreshedAt < REFRESH_MS) return
    this.#refreshedAt = now
    for (const shelf of this.#shelves.values()) shelf.from = null
    for (const row of await this.#database.query<ShelfRow>(SHELVES))
      this.#get(
        row.content_type,
        row.requires_key,
        () => JSON.parse(row.requirements) as Requirements,
      )
  }

  /** Learns of a job that waits. */
  note(job: PendingJob): Shelf {
    const requirements = requirementsOf(job)
    const shelf = this.#get(keyOf(job.contentType), keyOf(requirements.key), () => requirements)
    this.lower(shelf, { rank: -job.priority, created_at: job.createdAt })
    return shelf
  }

  /** Lets all coordinators know the shelf of a job: before it waits there. */
  async ensure(job: PendingJob, now: number): Promise<void> {
    const shelf = this.note(job)
    if (job.ingestion?.local === true || now - shelf.usedAt < HOUR) return
    const { contentType, key, requirements } = shelf
    await this.#database.query(PUT_SHELF, [contentType, key, JSON.stringify(requirements), now])
    shelf.usedAt = now
  }

  /** Those whose jobs a worker may have. */
  for({ contentTypes, ability, isLeft }: Order): Shelf[] {
    const types = new Map(contentTypes.map((type) => [keyOf(type), type]))
    return [...this.#shelves.values()].filter(({ contentType, requirements }) => {
      const type = types.get(contentType)
      return (
        type !== undefined && meets(ability, requirements) && isLeft?.(type, requirements) !== true
      )
    })
  }

  /** Looks at a job that was passed over again. */
  lower(shelf: Shelf, to: Ranked): void {
    if (shelf.from !== null && isBefore(to, shelf.from)) shelf.from = to
  }

  #get(contentType: string, key: string, make: () => Requirements): Shelf {
    const name = JSON.stringify([contentType, key])
    let shelf = this.#shelves.get(name)
    if (shelf === undefined) {
      shelf = { contentType, key, requirements: make(), from: null, usedAt: -Infinity }
      this.#shelves.set(name, shelf)
    }
    return shelf
  }
}

function isBefore(a: Ranked, b: Ranked): boolean {
  return a.rank < b.rank || (a.rank === b.rank && a.created_at < b.created_at)
}
