import type { Deed, Found, History, LoggedChange } from './history.ts'

/** All that is known of one job. */
interface Case {
  readonly jobId: string
  readonly log: readonly LoggedChange[]
  readonly deeds: readonly Deed[]
  readonly found: Found | undefined
  readonly history: History
}

export type Of<K extends Deed['kind']> = Deed & { kind: K }
/** What is wrong with one, as the ends of sentences that begin with its id. */
export type Rule = (one: Case) => string[]

/** The deeds of one kind. */
export function of<K extends Deed['kind']>(deeds: readonly Deed[], kind: K): Of<K>[] {
  return deeds.filter((deed): deed is Of<K> => deed.kind === kind)
}

/** Those that were acknowledged. */
export function done<D extends Deed>(deeds: readonly D[]): D[] {
  return deeds.filter(({ answer }) => answer === 'done')
}
