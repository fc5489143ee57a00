/** What `npm test` leaves to `npm run test:rest`: long recordings, many kills, every page of the dashboard. */
const LONG: readonly string[] = [
  'test/checkpoint.test.ts',
  'test/agent/resuming.test.ts',
  'test/long.test.ts',
  'test/cases.test.ts',
  'test/clients.test.ts',
  'test/proxies.test.ts',
  'test/original.test.ts',
  'test/limits.test.ts',
  'test/agent/moonshine.test.ts',
  'test/agent/hostile-media.test.ts',
  'test/agent/other-languages.test.ts',
  'test/agent/pipeline.test.ts',
  'test/agent/cli.test.ts',
  'test/ingestion/convert.test.ts',
  'test/faults/agent-answers.test.ts',
  'test/faults/agent-away.test.ts',
  'test/faults/agent-clock.test.ts',
  'test/faults/agent-disk.test.ts',
  'test/faults/agent-edge.test.ts',
  'test/faults/agent-killed.test.ts',
  'test/faults/agent-network.test.ts',
  'test/faults/agent-poison.test.ts',
  'test/faults/agent-stopped.test.ts',
  'test/faults/coordinator-descriptors.test.ts',
  'test/faults/coordinator-disk.test.ts',
  'test/faults/coordinator-full-journal.test.ts',
  'test/faults/coordinator-instants.test.ts',
  'test/faults/coordinator-kills.test.ts',
  'test/faults/coordinator-lock.test.ts',
  'test/faults/coordinator-overload.test.ts',
  'test/faults/coordinator-standstill.test.ts',
  'test/faults/coordinator-start.test.ts',
  'test/faults/coordinator-torn.test.ts',
  'test/faults/soak-memory.test.ts',
  'test/browser/banner.test.ts',
  'test/browser/dashboard.test.ts',
  'test/browser/foreign.test.ts',
  'test/browser/people.test.ts',
]

/** In both: with more kills in `npm run test:rest`. */
const KILLING: readonly string[] = [
  'test/crash.test.ts',
  'test/ingestion/crash.test.ts',
  'test/coordinator/store-crash.test.ts',
]

/** How often a killing test kills, as {@link KILLING} tests read it. */
export function killsOf(tier: Tier): number {
  return tier === 'quick' ? 6 : 20
}

/** Files with a process each: they change what a process has one of, or take longest and so start first. */
const ALONE: readonly string[] = [
  'test/conversion.test.ts',
  'test/faults.test.ts',
  'test/coordinators.test.ts',
  'test/silent-engine.test.ts',
  'test/browser/tablet.test.ts',
  'test/agent/config.test.ts',
]

export type Tier = 'quick' | 'rest' | 'all'

/** @throws when there is none of that name. */
export function tierNamed(name: string): Tier {
  if (name === 'quick' || name === 'rest' || name === 'all') return name
  throw new Error(`no tier ${name}: quick, rest or all`)
}

/**
 * Which test files run together in one process, in the order in which the processes are to start: long ones first.
 * @param files all of them, named as in the checkout.
 * @throws when a file that is named here is none of them.
 */
export function processesOf(tier: Tier, files: readonly string[]): string[][] {
  const gone = [...LONG, ...KILLING, ...ALONE].filter((name) => !files.includes(name))
  if (gone.length > 0) throw new Error(`scripts/tests/tiers.ts: there is no ${gone.join(', ')}`)
  const own = [...KILLING, ...ALONE]
  const quick = files.filter((name) => !LONG.includes(name))
  const together = tier === 'rest' ? [] : quick.filter((name) => !own.includes(name))
  const alone = {
    quick: own,
    rest: [...LONG, ...KILLING],
    all: [...LONG, ...own],
  }[tier]
  return [...alone.map((name) => [name]), ...chunks(together, 10)]
}

/** Neighbours come into different chunks: files of one folder take about as long as each other. */
function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, start) =>
    items.filter((_item, index) => index % count === start),
  )
}
