import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { MINUTE, SECOND } from '../../shared/duration.ts'
import { check } from '../../test/faults/checker.ts'
import { inOrder, readJobs } from '../../test/faults/history.ts'
import { seededRandom } from '../../test/shared/seeded-random.ts'
import { SoakAgent, type Scene, type Stage } from './agent.ts'
import { SoakApi } from './api.ts'
import { Coordinators } from './coordinators.ts'
import { cause } from './faults.ts'
import { everything } from './everything.ts'
import type { Findings } from './findings.ts'
import { lostToPauses } from './pauses.ts'
import { startProxy, type CuttingProxy } from './proxy.ts'
import { startReceiver } from './receiver.ts'
import { nameOf, Records } from './records.ts'
import { stretches, type Load } from './stretches.ts'
import { Submitter } from './submitter.ts'

export interface SoakOptions {
  /** An empty folder. */
  folder: string
  load: Load
  /** Default: one, over files. */
  coordinators?: number
  agents: number
  submitters: number
  seed: number
  /** How long ended jobs are kept; null: no limit. */
  keptMs: number | null
  maxRetries: number
  /** How long a pause is; default: none. */
  pauseMs?: number
  built?: boolean
  /** A checkout whose build one of several coordinators runs. */
  beside?: string | null
  onProgress?: (soak: Soak) => void
}

/** What a run has to show. */
export interface Soak {
  readonly records: Records
  readonly findings: Findings
  readonly cuts: number
  /** In milliseconds since its load began. */
  readonly elapsedMs: number
  readonly violations: readonly string[]
}

const PROGRESS_MS = 10 * SECOND
/** After so long without a change of any job the rest is given up: longer than leases and the pauses between tries. */
const DRAIN_MS = 90 * SECOND
/** The same while a webhook is outstanding: the pause after the fourth try that fails is 5 minutes and a fifth of that. */
const HOOK_MS = 7 * MINUTE

/** Counts of several coordinators may be so old. */
const COUNTED_MS = 5 * SECOND

/** Loads coordinators with all there is, kills them, cuts their clients off, and judges what they did. */
export async function soak(options: SoakOptions): Promise<Soak> {
  const { folder, seed, keptMs, maxRetries, built = false, beside } = options
  const media = path.join(folder, 'media')
  await mkdir(media)
  const file = path.join(media, 'talk.mp3')
  await writeFile(file, Buffer.alloc(200_000, 'sound '))
  const records = new Records()
  const receiver = await startReceiver(records, seededRandom(seed + 1))
  const kept = keptMs === null ? 'forever' : `${keptMs / SECOND}s`
  const limits = ['--lease', '3s', '--max-retries', String(maxRetries)]
  const keeping = [
    '--remove-sources',
    'on-success',
    '--keep-completed',
    kept,
    '--keep-failed',
    kept,
  ]
  const args = [...limits, ...keeping, '--webhook-allow', '127.0.0.1']
  const count = options.coordinators ?? 1
  const coordinators = await Coordinators.start(count, { folder, args, built }, beside)
  const { findings, keepers } = coordinators
  const ports = keepers.map(({ port }) => port)
  const proxy = await startProxy(ports, seed)
  const beganAt = Date.now()
  const result = (violations: readonly string[]): Soak => {
    return { records, findings, cuts: proxy.cuts(), elapsedMs: Date.now() - beganAt, violations }
  }
  const ticker = setInterval(() => options.onProgress?.(result([])), PROGRESS_MS)
  try {
    await run(options, { records, coordinators, proxy, work: { file, webhookUrl: receiver.url } })
    const exitCodes = await coordinators.stop()
    const endedAt = Date.now()
    // What is left is to stay while it is read.
    await keepers[0]!.start(['--keep-completed', 'forever', '--keep-failed', 'forever'])
    const api = new SoakApi(`http://127.0.0.1:${ports[0]}`, records, 16)
    const found = await readJobs(
      await everything(api),
      async (at) => await readOne(api, at),
      nameOf,
    )
    await api.close()
    const { log } = findings
    const { pauses } = findings
    const violations = check({ log, deeds: records.deeds, found, endedAt, keptMs, pauses })
    for (const exitCode of exitCodes)
      violations.push(`A coordinator ended with ${exitCode} after the signal to stop.`)
    // While one of several stands still, the others give nobody a longer term.
    if (!coordinators.areSeveral) violations.push(...lostToPauses(log, pauses, records.working))
    return result([...violations, ...missingWebhooks(records, findings), ...records.surprises])
  } finally {
    clearInterval(ticker)
    await coordinators.close()
    await proxy.close()
    receiver.close()
  }
}

interface Set {
  records: Records
  coordinators: Coordinators
  proxy: CuttingProxy
  work: { file: string; webhookUrl: string }
}

async function run(
  options: SoakOptions,
  { records, coordinators, proxy, work }: Set,
): Promise<void> {
  const { agents, submitters, seed } = options
  const stage: Stage = { now: 'load' }
  const api = new SoakApi(proxy.url, records, agents + submitters * 5)
  const scene = (n: number): Scene => ({ api, records, stage, random: seededRandom(seed + 10 + n) })
  const isOver = (): boolean => stage.now === 'over'
  const clients = [
    ...Array.from({ length: agents }, (_, n) => new SoakAgent(scene(n), `agent-${n}`)),
    ...Array.from({ length: submitters }, (_, n) => new Submitter(scene(agents + n), work)),
  ]
  const running = [...clients.map((one) => one.run()), coordinators.watch(isOver)]
  const random = seededRandom(seed)
  const nextFault = stretches(options.load, records, random)
  try {
    for (let fault = await nextFault(); fault !== null; fault = await nextFault())
      await cause(fault, { coordinators, proxy, records, random, pauseMs: options.pauseMs ?? 0 })
    stage.now = 'drain'
    proxy.calm()
    await coordinators.complete()
    await drained(coordinators, records)
  } finally {
    stage.now = 'over'
    await Promise.all(running)
    await api.close()
  }
}

/** When nothing is open any more, or nothing moves: then the checker says what is. */
async function drained(coordinators: Coordinators, records: Records): Promise<void> {
  const { findings, areSeveral } = coordinators
  let changes = 0
  let movedAt = Date.now()
  let patienceMs = DRAIN_MS
  while (Date.now() < movedAt + patienceMs) {
    if (findings.log.length > changes) movedAt = Date.now()
    changes = findings.log.length
    const jobs = (await coordinators.health())?.['jobs'] as Record<string, number> | undefined
    const isCurrent = !areSeveral || Date.now() > movedAt + COUNTED_MS
    const isIdle = jobs !== undefined && jobs['pending'] === 0 && jobs['processing'] === 0
    const isShown = missingWebhooks(records, findings).length === 0
    if (isIdle && isCurrent && isShown) return
    patienceMs = isShown ? DRAIN_MS : HOOK_MS
    await delay(200)
  }
}

/** Jobs that have ended without their webhook, a sentence each. */
function missingWebhooks({ hooked, notified }: Records, { log }: Findings): string[] {
  const missing = new Set([...hooked].filter((jobId) => !notified.has(jobId)))
  const ended = new Map<string, boolean>()
  if (missing.size === 0) return []
  for (const { jobId, to } of inOrder(log.filter((one) => missing.has(one.jobId))))
    if (to !== 'removed') ended.set(jobId, to !== 'pending' && to !== 'processing')
  return [...missing]
    .filter((jobId) => ended.get(jobId) === true)
    .map((jobId) => `Job ${jobId} has ended and its webhook was never called.`)
}

async function readOne(api: SoakApi, at: string): Promise<unknown> {
  const answer = await api.try('GET', at)
  return answer?.status === 200 ? answer.body : null
}
