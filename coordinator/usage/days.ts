import { NOTHING, sumOf, type Counts } from '../job/usage-counts.ts'

/** A UTC day, `2026-01-31`: a job counts on the one on which it was created. */
export type Day = string
/** Counts by the id of a token; null: the API key, or open mode. */
export type ByToken = Map<string | null, Counts>

export function dayOf(at: number): Day {
  return new Date(at).toISOString().slice(0, 10)
}

/** When the next day begins. */
export function endOfDay(at: number): number {
  return new Date(at).setUTCHours(24, 0, 0, 0)
}

export function addTo(
  tokens: ByToken,
  token: string | null,
  counts: Counts,
  sign: 1 | -1 = 1,
): void {
  const sum = sumOf(tokens.get(token) ?? NOTHING, counts, sign)
  // Every job counts as one: without jobs there is nothing.
  if (sum.jobs === 0) tokens.delete(token)
  else tokens.set(token, sum)
}

/** Counts by day and token. */
export class Days {
  readonly #days = new Map<Day, ByToken>()

  add(day: Day, token: string | null, counts: Counts, sign: 1 | -1 = 1): void {
    const tokens = this.#days.get(day) ?? new Map<string | null, Counts>()
    addTo(tokens, token, counts, sign)
    if (tokens.size === 0) this.#days.delete(day)
    else this.#days.set(day, tokens)
  }

  on(day: Day): ByToken {
    return this.#days.get(day) ?? new Map()
  }

  keys(): Day[] {
    return [...this.#days.keys()]
  }

  delete(day: Day): void {
    this.#days.delete(day)
  }
}
