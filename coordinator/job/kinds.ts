import type { Requirements } from './requirements.ts'

/** So many kinds of one submitter may wait at a time: each costs every claim a look. */
export const MOST_KINDS = 100

interface Kind {
  submittedBy: string | null
  contentType: string
  requirements: Requirements
}

/** How many jobs of each kind (content type and requirements) wait, by who has submitted them. */
export class Kinds {
  readonly #counts = new Map<string | null, Map<string, number>>()

  add(kind: Kind): void {
    let own = this.#counts.get(kind.submittedBy)
    if (own === undefined) this.#counts.set(kind.submittedBy, (own = new Map()))
    const key = keyOf(kind)
    own.set(key, (own.get(key) ?? 0) + 1)
  }

  delete(kind: Kind): void {
    const own = this.#counts.get(kind.submittedBy)
    const key = keyOf(kind)
    const count = (own?.get(key) ?? 0) - 1
    if (count > 0) own?.set(key, count)
    else own?.delete(key)
    if (own?.size === 0) this.#counts.delete(kind.submittedBy)
  }

  isOneTooMany(kind: Kind): boolean {
    const own = this.#counts.get(kind.submittedBy)
    return own !== undefined && own.size >= MOST_KINDS && !own.has(keyOf(kind))
  }
}

function keyOf({ contentType, requirements }: Kind): string {
  return JSON.stringify([contentType, requirements.key])
}
