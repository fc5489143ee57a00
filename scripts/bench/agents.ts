import { fork, type ChildProcess } from 'node:child_process'
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { formatTokens, type TokenRecord } from '../../coordinator/access/token-record.ts'
import { digestOf } from '../../coordinator/access/token-text.ts'
import { startCoordinator } from '../processes.ts'
import { now, tokenOf, type Part, type Said } from './agents/child.ts'
import { Api } from './api.ts'
import { cpuSecondsOf } from './cpu-time.ts'
import { peaksDuring } from './memory.ts'
import { median, quantile, type Measure } from './report.ts'

export interface FleetSize {
  agents: number
  seconds: number
  /** Jobs made a second. */
  rate: number
}

const CHILD = fileURLToPath(new URL('agents/child.ts', import.meta.url))
const CHILDREN = 2
const KEY = 'the key of the bench, which nobody guesses'
/** So many agents come in a second. */
const COMING = 400
const MOST_WORK_SECONDS = 60

/** One coordinator with a fleet, each agent with its token, and jobs that never stop; somebody looks at the page. */
export async function fleet(
  folder: string,
  file: string,
  { agents, seconds, rate }: FleetSize,
): Promise<Measure[]> {
  const dataDir = path.join(folder, 'fleet')
  await mkdir(dataDir, { mode: 0o700 })
  await writeFile(path.join(dataDir, 'tokens.json'), formatTokens(tokens(agents)), { mode: 0o600 })
  const limits = { waiting: agents + 100, agents: agents + 100, connections: agents + 500 }
  const args = Object.entries(limits).flatMap(([name, most]) => [`--max-${name}`, String(most)])
  const env = { MORAG_API_KEY: KEY }
  const coordinator = await startCoordinator(dataDir, folder, { built: true, args, env })
  const { pid, url } = coordinator
  const site = new Site(url)
  const children: ChildProcess[] = []
  try {
    const rampMs = (agents / COMING) * 1_000
    const workMs = Math.min(MOST_WORK_SECONDS, seconds / 3) * 1_000
    for (let n = 0; n < CHILDREN; n += 1) {
      const child = fork(CHILD, { execArgv: ['--import', 'tsx'] })
      const [from, to] = [n, n + 1].map((one) => Math.floor((agents * one) / CHILDREN))
      child.on('message', (said: Said) => site.hear(said))
      child.send({ url, from: from!, to: to!, rampMs, workMs } satisfies Part)
      children.push(child)
    }
    await site.watch()
    // At any time some of them ask anew.
    while ((await site.waiting()) < agents * 0.98) await sleep(200)
    const cpu = (): number[] => [
      cpuSecondsOf(pid),
      [process.pid, ...children.map((child) => child.pid!)].reduce(
        (sum, one) => sum + cpuSecondsOf(one),
        0,
      ),
    ]
    // What is counted until now is that of their coming.
    const [before, cpuBefore] = [await site.figures(), cpu()]
    const [peakMb = 0] = await peaksDuring([pid], async () => await site.make(file, rate, seconds))
    const [after, cpuAfter] = [await site.figures(), cpu()]
    const requests = after.requests - before.requests
    const [coordinatorCpu, loadCpu] = cpuAfter.map((one, i) => one - cpuBefore[i]!)
    const pickUps = site.pickUps()
    const ms = (value: number): string => `${value.toFixed(1)} ms`
    const perSecond = (value: number): string => (value / seconds).toFixed(2)
    return [
      { name: 'agents that wait, each with a token', value: String(agents) },
      { name: 'requests a second', value: perSecond(requests) },
      {
        name: 'the event loop is late (median, longest)',
        value: `${ms(after.late50)}, ${ms(after.late100)}`,
      },
      {
        name: '  99th percentile',
        value: ms(after.late99),
        promise: 'at most 50 ms',
        kept: after.late99 <= 50,
      },
      {
        name: 'job sent → an agent has it (median)',
        value: ms(median(pickUps)),
        promise: 'at most 20 ms',
        kept: median(pickUps) <= 20,
      },
      { name: '  99th percentile', value: ms(quantile(pickUps, 0.99)) },
      {
        name: 'jobs made, picked up',
        value: `${site.made}, ${pickUps.length}`,
        promise: 'all',
        kept: pickUps.length === site.made,
      },
      {
        name: 'memory of the coordinator (peak)',
        value: `${peakMb.toFixed(0)} MB`,
        promise: 'at most 1 GB',
        kept: peakMb <= 1_000,
      },
      {
        name: 'requests refused',
        value: site.refused.length === 0 ? '0' : `${site.refused.length}: ${site.refused[0]}`,
        promise: 'none',
        kept: site.refused.length === 0,
      },
      {
        name: 'processor time of the coordinator per request',
        value: ms((coordinatorCpu! * 1_000) / requests),
      },
      {
        name: 'processors in use: the coordinator; the simulation',
        value: `${perSecond(coordinatorCpu!)}; ${perSecond(loadCpu!)}`,
      },
    ]
  } finally {
    for (const child of children) child.kill('SIGKILL')
    await site.close()
    coordinator.signal('SIGTERM')
    await coordinator.ended
  }
}

function tokens(count: number): TokenRecord[] {
  return Array.from({ length: count }, (_, n) => ({
    id: `t_${n.toString(16).padStart(16, '0')}`,
    name: `agent-${n}`,
    role: 'worker',
    types: null,
    sha256: digestOf(tokenOf(n)).toString('hex'),
    previous: null,
    createdAt: 0,
    issuedAt: 0,
    expiresAt: null,
    revokedAt: null,
    usedAt: null,
    vocabulary: [],
    quota: { maxJobs: null, maxMediaHoursPerDay: null },
  }))
}

/** A coordinator as its clients see it. */
class Site {
  readonly refused: string[] = []
  made = 0
  readonly #url: string
  readonly #api: Api
  readonly #leave = new AbortController()
  readonly #sentAt = new Map<string, number>()
  readonly #pickedAt = new Map<string, number>()

  constructor(url: string) {
    this.#url = url
    this.#api = new Api(url, 16, KEY)
  }

  hear(said: Said): void {
    if ('refused' in said) this.refused.push(said.refused)
    else this.#pickedAt.set(said.picked, said.at)
  }

  /** Reads the events, as an open page does. */
  async watch(): Promise<void> {
    const headers = { authorization: `Bearer ${KEY}` }
    const { body } = await fetch(`${this.#url}/api/v1/events`, {
      headers,
      signal: this.#leave.signal,
    })
    const read = async (): Promise<void> => {
      for await (const _ of body!);
    }
    read().catch(() => undefined)
  }

  async waiting(): Promise<number> {
    const health = (await this.#api.send('GET', '/health')) as { waiting_claims: number }
    return health.waiting_claims
  }

  /** What the coordinator counts; its event loop's delays, in ms, since they were asked for last. */
  async figures() {
    const answer = await fetch(`${this.#url}/metrics`, {
      headers: { authorization: `Bearer ${KEY}` },
    })
    const text = await answer.text()
    const valuesOf = (name: string): number[] =>
      [...text.matchAll(new RegExp(`^${name} (\\S+)$`, 'gm'))].map(([, value]) => Number(value))
    const late = (at: string): number =>
      valuesOf(`morag_event_loop_delay_seconds{quantile="${at}"}`)[0]! * 1_000
    const requests = valuesOf('morag_http_requests_total{.*}')
    return {
      late50: late('0.5'),
      late99: late('0.99'),
      late100: late('1'),
      requests: requests.reduce((sum, one) => sum + one, 0),
    }
  }

  /** Makes jobs at an even rate, and waits for the last. */
  async make(file: string, rate: number, seconds: number): Promise<void> {
    const from = performance.now()
    const making: Promise<void>[] = []
    for (let n = 0; n < rate * seconds; n += 1) {
      await sleep(Math.max(0, from + (n * 1_000) / rate - performance.now()))
      making.push(this.#create(file))
    }
    await Promise.all(making)
    await sleep(Math.max(1_000, from + seconds * 1_000 - performance.now()))
  }

  /** From the request to its agent, in ms. */
  pickUps(): number[] {
    return [...this.#sentAt].flatMap(([jobId, at]) => {
      const pickedAt = this.#pickedAt.get(jobId)
      return pickedAt === undefined ? [] : [pickedAt - at]
    })
  }

  async close(): Promise<void> {
    this.#leave.abort()
    await this.#api.close()
  }

  async #create(file: string): Promise<void> {
    const at = now()
    this.made += 1
    try {
      this.#sentAt.set(await this.#api.create(file), at)
    } catch (error) {
      this.refused.push(String(error))
    }
  }
}
