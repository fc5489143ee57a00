import { mkdtemp, rm } from 'node:fs/promises'
import os from 'node:os'
import path from 'node:path'
import { parseArgs } from 'node:util'
import { MINUTE, SECOND } from '../shared/duration.ts'
import { countFaults } from '../test/faults/checker.ts'
import { median, quantile } from './bench/report.ts'
import { memoryLevel } from './soak/memory.ts'
import type { Fault } from './soak/faults.ts'
import { soak, type Soak } from './soak/run.ts'

const USAGE =
  'npm run soak -- [--minutes 10] [--coordinators 1] [--agents 200] [--submitters 50] [--seed 1] [--pause 90] [--built] [--beside CHECKOUT] [--keep]'

/**
 * {@link USAGE}: a coordinator under agents and clients of every kind, killed at random, its connections cut, stopped for
 * `--pause` seconds, short of descriptors and disk quota, behind an edge that answers for it; or several, on a PostgreSQL
 * that crashes, behind a front that balances. At the end everything is checked. Ends with 1 when anything was lost, doubled
 * or answered as it should not be. With `--beside` one of several coordinators runs the build of another checkout, as during
 * an upgrade. With `--keep` its folder stays, with what it was judged by.
 */
const { values } = parseArgs({
  options: {
    minutes: { type: 'string', default: '10' },
    coordinators: { type: 'string', default: '1' },
    agents: { type: 'string', default: '200' },
    submitters: { type: 'string', default: '50' },
    seed: { type: 'string', default: '1' },
    pause: { type: 'string', default: '90' },
    built: { type: 'boolean', default: false },
    beside: { type: 'string' },
    keep: { type: 'boolean', default: false },
  },
})
const [minutes, coordinators, agents, submitters, seed, pause] = [
  Number(values.minutes),
  Number(values.coordinators),
  Number(values.agents),
  Number(values.submitters),
  Number(values.seed),
  Number(values.pause),
]
if (
  !(pause >= 0) ||
  !(minutes > 0) ||
  !(Number.isInteger(coordinators) && coordinators > 0) ||
  !(agents > 0) ||
  !(submitters > 0) ||
  !Number.isInteger(seed)
) {
  console.error(`usage: ${USAGE}`)
  process.exit(2)
}

/** Jobs are kept so long that the memory they take is level for most of the run. */
const KEPT_MS = Math.max(30 * SECOND, Math.min(MINUTE, (minutes * MINUTE) / 6))

const ALONE: readonly Fault[] = ['kill', 'descriptors', 'kill', 'quota', 'kill', 'edge']
const SEVERAL =
  'kill kill kill database kill kill quota kill kill kill database kill kill descriptors kill'.split(
    ' ',
  ) as Fault[]

const folder = await mkdtemp(path.join(os.tmpdir(), 'morag-soak-'))
try {
  console.log(
    `${coordinators} coordinators, ${agents} agents, ${submitters} submitters, ${minutes} min, seed ${seed}, Node ${process.version}`,
  )
  const run = await soak({
    folder,
    load: {
      forMs: minutes * MINUTE,
      // Beside others one more that is gone is no outage.
      betweenMs: coordinators > 1 ? [SECOND, 5 * SECOND] : [8 * SECOND, 25 * SECOND],
      faults: coordinators > 1 ? SEVERAL : ALONE,
      pausesAt: pause === 0 ? [] : [0.15, 0.55],
    },
    pauseMs: pause * SECOND,
    coordinators,
    agents,
    submitters,
    seed,
    keptMs: KEPT_MS,
    maxRetries: 1,
    built: values.built,
    beside: values.beside ?? null,
    onProgress: progress,
  })
  process.exitCode = report(run, minutes * MINUTE)
  if (values.keep) {
    await run.records.write(folder)
    await run.findings.write(folder)
    console.log(`kept         ${folder}`)
  }
} finally {
  if (!values.keep) await rm(folder, { recursive: true, force: true })
}

function progress({ records, findings, cuts, elapsedMs }: Soak): void {
  const ended = findings.log.filter(
    ({ to }) => !['pending', 'processing', 'removed'].includes(to),
  ).length
  const mb = findings.memory.at(-1)?.mb ?? 0
  console.log(
    `${String(Math.round(elapsedMs / SECOND)).padStart(4)} s  ${records.created.size} jobs, ${ended} ended, ${findings.kills} kills, ${cuts} cuts, ${mb.toFixed(0)} MB`,
  )
}

function report({ records, findings, cuts, violations }: Soak, loadMs: number): number {
  const { lost, duplicated } = countFaults(violations)
  const faults = [...records.counts].toSorted(([a], [b]) => (a < b ? -1 : 1))
  const { healthMs, loopDelaysMs, errors } = findings
  const memory = memoryLevel(findings.memory, loadMs)
  console.log(`\njobs         ${records.created.size}, and ${findings.log.length} changes of them`)
  console.log(`kills        ${findings.kills}, and ${findings.restarts} of the database`)
  console.log(
    `pauses       ${findings.pauses.map(({ from, until }) => seconds(until - from)).join(', ') || 'none'}`,
  )
  console.log(`cuts         ${cuts}`)
  console.log(`faults       ${faults.map(([what, times]) => `${what} ${times}`).join(', ')}`)
  console.log(`lost         ${lost}`)
  console.log(`duplicated   ${duplicated}`)
  const toPauses = violations.filter((one) => one.includes(' was lost to a pause ')).length
  console.log(`lost leases  ${toPauses} to pauses`)
  const loop =
    loopDelaysMs.length === 0
      ? 'unknown'
      : `${median(loopDelaysMs).toFixed(0)} ms (median of ${loopDelaysMs.length} looks), ${Math.max(...loopDelaysMs).toFixed(0)} ms at worst`
  console.log(
    `event loop   p99 ${loop}; /health p99 ${quantile(healthMs, 0.99).toFixed(0)} ms of ${healthMs.length}`,
  )
  console.log(
    `memory       ${megabytes(memory.startMb)} at the start, ${megabytes(memory.endMb)} at the end`,
  )
  console.log(`errors       ${errors.length} in its log`)
  for (const line of errors.slice(0, 5)) console.log(`  ${line}`)
  const all = memory.isLevel ? violations : [...violations, 'The memory is not level.']
  console.log(`violations   ${all.length}`)
  for (const one of all.slice(0, 50)) console.log(`  ${one}`)
  return all.length === 0 ? 0 : 1
}

function seconds(ms: number): string {
  return `${(ms / SECOND).toFixed(0)} s`
}

function megabytes(mb: number): string {
  return Number.isNaN(mb) ? 'unknown' : `${mb.toFixed(0)} MB`
}
