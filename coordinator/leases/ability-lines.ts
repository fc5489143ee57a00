import type { Ability } from '../job/requirements.ts'

/** What stands in a line. */
export interface Standing {
  contentTypes: readonly string[]
  ability: Ability
  /** Its number in the order of arrival. */
  turn: number
}

interface Group<T> {
  ability: Ability
  waiting: Set<T>
}

/** Those that wait, by content type and ability: who may have a job is asked once for each ability, not of each call. */
export class AbilityLines<T extends Standing> {
  readonly #byType = new Map<string, Map<string | null, Group<T>>>()

  add(one: T): void {
    const { ability } = one
    for (const type of one.contentTypes) {
      let groups = this.#byType.get(type)
      if (groups === undefined) this.#byType.set(type, (groups = new Map()))
      const group = groups.get(ability.key)
      if (group === undefined) groups.set(ability.key, { ability, waiting: new Set([one]) })
      else group.waiting.add(one)
    }
  }

  /** @param one with the ability that it was added with. */
  delete(one: T): void {
    for (const type of one.contentTypes) {
      const groups = this.#byType.get(type)
      const group = groups?.get(one.ability.key)
      if (groups === undefined || group?.waiting.delete(one) !== true) continue
      if (group.waiting.size === 0) groups.delete(one.ability.key)
      if (groups.size === 0) this.#byType.delete(type)
    }
  }

  /** Those with an ability that fits, in order. Those that leave meanwhile are skipped. */
  *of(contentType: string, fits: (ability: Ability) => boolean): Iterable<T> {
    const groups = [...(this.#byType.get(contentType)?.values() ?? [])]
    const heads = groups
      .filter(({ ability }) => fits(ability))
      .map(({ waiting }) => ({
        waiting,
        rest: waiting.values(),
        first: undefined as T | undefined,
      }))
    for (const head of heads) head.first = head.rest.next().value
    for (;;) {
      let next: (typeof heads)[number] | null = null
      for (const head of heads)
        if (head.first !== undefined && (next === null || head.first.turn < next.first!.turn))
          next = head
      if (next === null) return
      const first = next.first!
      next.first = next.rest.next().value
      if (next.waiting.has(first)) yield first
    }
  }
}
