import { mkdir, open } from 'node:fs/promises'
import path from 'node:path'
import { residentMb } from '../process-tree.ts'
import { startCoordinator } from '../processes.ts'
import { Api } from './api.ts'
import { cpuSecondsOf } from './cpu-time.ts'
import { median, type Measure } from './report.ts'

export const CLIENTS = 32
const WARM_UP = 2_000
const CYCLES = 2_000
const ROUNDS = 5

/** What some cycles took. */
export interface Lap {
  cyclesPerSecond: number
  /** Of the processes that did them, without their client. */
  cpuMs: number
}

/** Whatever does cycles. */
export interface Side {
  lap: (cycles: number) => Promise<Lap>
  close: () => Promise<void>
}

/**
 * Create, claim, complete over HTTP, each durable before it is answered; beside it the disk's own rate of syncs.
 * `BENCH_BEFORE` names a checkout with another build, which does as many cycles in turn.
 */
export async function durableCycles(folder: string, file: string): Promise<Measure[]> {
  const syncs = await syncRate(path.join(folder, 'sync-probe'))
  const before = process.env['BENCH_BEFORE']
  const now = await coordinatorSide(path.join(folder, 'cycles'), file)
  const then =
    before === undefined ? null : await coordinatorSide(path.join(folder, 'before'), file, before)
  const laps = await inTurn(then === null ? [now] : [now, then])
  const memory = [now, then].map((side) => (side === null ? 0 : residentMb(side.pid)))
  await now.close()
  await then?.close()
  const [{ rate, cpuMs, rates }, other] = laps.map(summary) as [Summary, Summary | undefined]
  return [
    { name: 'raw fdatasync of one line, one after the other', value: `${syncs.toFixed(0)} /s` },
    {
      name: `create + claim + result, ${CLIENTS} clients over HTTP (median)`,
      value: `${rate.toFixed(0)} cycles/s`,
      promise: 'at least 1 000/s on an idle 2-core machine',
      kept: rate >= 1_000,
    },
    {
      name: '  the same, slowest and fastest of the rounds',
      value: `${Math.min(...rates).toFixed(0)} – ${Math.max(...rates).toFixed(0)} /s`,
    },
    {
      name: "  the coordinator's processor time for each",
      value: `${cpuMs.toFixed(2)} ms`,
      promise: 'at most 0.8 ms',
      kept: cpuMs <= 0.8,
    },
    ...(other === undefined
      ? []
      : [
          {
            name: `the build of ${before}`,
            value: `${other.rate.toFixed(0)} cycles/s, ${other.cpuMs.toFixed(2)} ms`,
          },
          {
            name: '  cycles per second, processor time, memory against it',
            value: [rate / other.rate, cpuMs / other.cpuMs, memory[0]! / memory[1]!]
              .map((ratio) => `× ${ratio.toFixed(2)}`)
              .join(', '),
          },
        ]),
  ]
}

/** A coordinator that gets its cycles over HTTP. @param root the checkout whose build runs. */
export async function coordinatorSide(
  dataDir: string,
  file: string,
  root?: string,
): Promise<Side & { pid: number }> {
  await mkdir(dataDir, { recursive: true })
  const built = root === undefined ? true : { root }
  const coordinator = await startCoordinator(dataDir, path.dirname(file), { built })
  const side = httpSide(coordinator.url, coordinator.pid, file)
  return {
    ...side,
    pid: coordinator.pid,
    async close() {
      await side.close()
      coordinator.signal('SIGTERM')
      await coordinator.ended
    },
  }
}

/** Cycles over HTTP. @param pid of the server. */
export function httpSide(url: string, pid: number, file: string): Side {
  const api = new Api(url, CLIENTS)
  return {
    lap: async (cycles) =>
      await lapOf(
        cycles,
        async (n, client) => await cycle(api, file, client, n),
        () => cpuSecondsOf(pid),
      ),
    close: async () => await api.close(),
  }
}

/** @param one does the n-th cycle. @param cpuSeconds of the processes that do them. @param clients how many at a time. */
export async function lapOf(
  cycles: number,
  one: (n: number, client: string) => Promise<void>,
  cpuSeconds: () => number,
  clients = CLIENTS,
): Promise<Lap> {
  const [from, cpuFrom] = [performance.now(), cpuSeconds()]
  let started = 0
  const client = async (name: string): Promise<void> => {
    while (started < cycles) {
      started += 1
      await one(started, name)
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, n) => client(`worker-${n}`)))
  const seconds = (performance.now() - from) / 1000
  return {
    cyclesPerSecond: cycles / seconds,
    cpuMs: ((cpuSeconds() - cpuFrom) * 1000) / cycles,
  }
}

/** Laps of all sides in turn, after a warm-up. */
export async function inTurn(sides: readonly Side[]): Promise<Lap[][]> {
  const laps = sides.map((): Lap[] => [])
  for (const side of sides) await side.lap(WARM_UP)
  for (let round = 0; round < ROUNDS; round += 1)
    for (const [at, side] of sides.entries()) laps[at]!.push(await side.lap(CYCLES))
  return laps
}

interface Summary {
  rate: number
  cpuMs: number
  rates: number[]
}

export function summary(laps: readonly Lap[]): Summary {
  const rates = laps.map(({ cyclesPerSecond }) => cyclesPerSecond)
  return { rate: median(rates), cpuMs: median(laps.map(({ cpuMs }) => cpuMs)), rates }
}

export async function cycle(api: Api, file: string, workerId: string, n: number): Promise<void> {
  await api.create(file)
  await finish(api, await claim(api, workerId, n))
}

interface Claimed {
  job_id: string
  lease_token: string
}

export async function claim(
  api: Api,
  workerId: string,
  n: number,
  waitSeconds = 0,
): Promise<Claimed[]> {
  const { jobs } = (await api.send('POST', '/remote-jobs/claim', {
    worker_id: workerId,
    content_types: ['audio'],
    claim_id: `${workerId} ${n}`,
    wait_seconds: waitSeconds,
  })) as { jobs: Claimed[] }
  return jobs
}

export async function finish(api: Api, jobs: readonly Claimed[]): Promise<void> {
  for (const { job_id: jobId, lease_token: leaseToken } of jobs) {
    const body = { success: true, content: 'A few words.', lease_token: leaseToken }
    await api.send('PUT', `/remote-jobs/${jobId}/result`, body)
  }
}

async function syncRate(file: string): Promise<number> {
  const handle = await open(file, 'w')
  const line = `${'x'.repeat(500)}\n`
  const times = 500
  const from = performance.now()
  for (let n = 0; n < times; n += 1) {
    await handle.appendFile(line)
    await handle.datasync()
  }
  const rate = times / ((performance.now() - from) / 1000)
  await handle.close()
  return rate
}
