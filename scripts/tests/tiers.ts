/**
 * What `npm test` leaves to `npm run test:rest`: long recordings, agents as processes, faults of the network and the
 * disk, every page of the dashboard. The longest first.
 */
const LONG: readonly string[] = [
  'test/cases.test.ts',
  'test/faults/agent-away.test.ts',
  'test/browser/dashboard.test.ts',
  'test/agent/pipeline.test.ts',
  'test/agent/resuming.test.ts',
  'test/agent/resuming-voices.test.ts',
  'test/checkpoint.test.ts',
  'test/long.test.ts',
  'test/faults.test.ts',
  'test/clients.test.ts',
  'test/client/package.test.ts',
  'test/proxies.test.ts',
  'test/original.test.ts',
  'test/limits.test.ts',
  'test/files.test.ts',
  'test/coordinators.test.ts',
  'test/silent-engine.test.ts',
  'test/front-door.test.ts',
  'test/artifacts.test.ts',
  'test/agent/moonshine.test.ts',
  'test/agent/engine-check.test.ts',
  'test/agent/first-use.test.ts',
  'test/agent/hostile-media.test.ts',
  'test/agent/other-languages.test.ts',
  'test/agent/transcribe-cpp-engine.test.ts',
  'test/agent/sound-kinds.test.ts',
  'test/agent/sound-times.test.ts',
  'test/agent/cli.test.ts',
  'test/ingestion/convert.test.ts',
  'test/faults/agent-answers.test.ts',
  'test/faults/agent-clock.test.ts',
  'test/faults/agent-disk.test.ts',
  'test/faults/agent-edge.test.ts',
  'test/faults/agent-killed.test.ts',
  'test/faults/agent-network.test.ts',
  'test/faults/agent-poison.test.ts',
  'test/faults/agent-reboot.test.ts',
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
  'test/faults/several-faults.test.ts',
  'test/faults/soak-memory.test.ts',
  'test/faults/usage-kills.test.ts',
  'test/browser/banner.test.ts',
  'test/browser/foreign.test.ts',
  'test/browser/people.test.ts',
  'test/browser/server-answer.test.ts',
  'test/browser/usage.test.ts',
]

/** Tests over PostgreSQL, of `npm run test:rest`: in one process, with one server. */
const POSTGRES = 'test/coordinator/postgres/'
/** Those of the API once more, whose setting is of a process. */
const ON_POSTGRES = 'test/coordinator/postgres/api.test.ts'

/** Only in `npm run test:all`. */
const LONGEST: readonly string[] = [
  'test/faults/several-kills.test.ts',
  'test/faults/several-standby.test.ts',
  'test/faults/several-streams.test.ts',
]

/** In both, with other kills. */
const KILLING: readonly string[] = [
  'test/crash.test.ts',
  'test/ingestion/crash.test.ts',
  'test/coordinator/store-crash.test.ts',
  'test/faults/original-kills.test.ts',
]

/** How often a killing test kills, as {@link KILLING} tests read it: `rest` does what `quick` leaves of `all`. */
export function killsOf(tier: Tier): number {
  return { smoke: 6, quick: 6, rest: 14, all: 20 }[tier]
}

/** Each process takes a second of CPU time to load what most files import. */
const FILES_OF_PROCESS = 16

/** Files with a process each: they change what a process has one of, or take longest and so start first. */
const ALONE: readonly string[] = [
  'test/conversion.test.ts',
  'test/browser/tablet.test.ts',
  'test/agent/config.test.ts',
]

/** What another version of Node may break: HTTP, files, processes, streams, and one real conversion. */
const SMOKE: readonly string[] = [
  'test/conversion.test.ts',
  'test/agent/download.test.ts',
  'test/agent/media.test.ts',
  'test/agent/run-child.test.ts',
  'test/coordinator/api.test.ts',
  'test/coordinator/download.test.ts',
  'test/coordinator/events.test.ts',
  'test/coordinator/journal.test.ts',
  'test/coordinator/send-file.test.ts',
  'test/coordinator/upload.test.ts',
  'test/ingestion/proxy.test.ts',
  'test/ingestion/webhook.test.ts',
  'test/shared/lock.test.ts',
]

const TIERS = ['smoke', 'quick', 'rest', 'all'] as const
export type Tier = (typeof TIERS)[number]

/** @throws when there is none of that name. */
export function tierNamed(name: string): Tier {
  const tier = TIERS.find((one) => one === name)
  if (tier !== undefined) return tier
  throw new Error(`no tier ${name}: ${TIERS.join(', ')}`)
}

/**
 * Which test files run together in one process, in the order in which the processes are to start: long ones first.
 * @param files all of them, named as in the checkout.
 * @throws when a file that is named here is none of them.
 */
export function processesOf(tier: Tier, files: readonly string[]): string[][] {
  const gone = [...LONG, ...LONGEST, ...KILLING, ...ALONE, ...SMOKE].filter(
    (name) => !files.includes(name),
  )
  if (gone.length > 0) throw new Error(`scripts/tests/tiers.ts: there is no ${gone.join(', ')}`)
  // The conversion takes as long as the others.
  if (tier === 'smoke') return [[SMOKE[0]!], ...chunks(SMOKE.slice(1), 4)]
  const own = [...KILLING, ...ALONE]
  const postgres = files.filter((name) => name.startsWith(POSTGRES))
  const late = [...LONG, ...LONGEST, ...postgres]
  const quick = files.filter((name) => !late.includes(name))
  const together = tier === 'rest' ? [] : quick.filter((name) => !own.includes(name))
  // The kills take longest.
  const alone = {
    quick: own,
    rest: [...KILLING, ...LONG],
    all: [...LONGEST, ...KILLING, ...LONG, ...ALONE],
  }[tier]
  const isOwn = (name: string): boolean => name === ON_POSTGRES
  const served =
    tier === 'quick' ? [] : [postgres.filter((name) => !isOwn(name)), postgres.filter(isOwn)]
  return [...served, ...alone.map((name) => [name]), ...chunks(together, FILES_OF_PROCESS)]
}

/** Neighbours come into different chunks: files of one folder take about as long as each other. */
function chunks<T>(items: readonly T[], size: number): T[][] {
  const count = Math.ceil(items.length / size)
  return Array.from({ length: count }, (_, start) =>
    items.filter((_item, index) => index % count === start),
  )
}
