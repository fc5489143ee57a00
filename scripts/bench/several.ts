import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { noPostgres, PostgresServer } from '../../test/shared/postgres-server.ts'
import { startCoordinator, type RunningCoordinator } from '../processes.ts'
import { Api } from './api.ts'
import { cpuSecondsOf, treeCpuSeconds } from './cpu-time.ts'
import { claim, CLIENTS, finish, inTurn, lapOf, summary, type Side } from './durable.ts'
import { median, quantile, type Measure } from './report.ts'

const COUNTS = (process.env['CO'] ?? '1,3').split(',').map(Number)
const PICK_UPS = 100

/**
 * Coordinators over one PostgreSQL, which commits to disk: a job is created at one of them, claimed at the next, and its
 * result goes to the one after. On few processors more of them are no faster: what counts is that they cost no more.
 */
export async function severalCoordinators(folder: string, file: string): Promise<Measure[]> {
  if (noPostgres !== false) return [{ name: noPostgres, value: '' }]
  const server = await PostgresServer.start({ isDurable: true })
  try {
    const groups: Group[] = []
    for (const count of COUNTS)
      groups.push(await Group.start(count, await server.database(), path.join(folder, `${count}`)))
    const databaseCpu = groups.map((): number[] => [])
    const sides = groups.map((group, at) => sideOf(group, file, server, databaseCpu[at]!))
    const [alone, several] = (await inTurn(sides)).map(summary) as [Summary, Summary]
    const [databaseAlone, databaseSeveral] = databaseCpu.map(median) as [number, number]
    const pickUps = await pickUpsOf(groups[1]!, file)
    for (const group of groups) await group.close()
    const [ratio, databaseRatio] = [several.cpuMs / alone.cpuMs, databaseSeveral / databaseAlone]
    return [
      {
        name: 'create + claim + result, one coordinator (median)',
        value: `${alone.rate.toFixed(0)} cycles/s`,
      },
      {
        name: '  processor time of it, and of PostgreSQL, for each',
        value: `${alone.cpuMs.toFixed(2)}, ${databaseAlone.toFixed(2)} ms`,
      },
      { name: 'the same, three coordinators', value: `${several.rate.toFixed(0)} cycles/s` },
      {
        name: '  processor time of all, and of PostgreSQL, for each',
        value: `${several.cpuMs.toFixed(2)}, ${databaseSeveral.toFixed(2)} ms`,
      },
      {
        name: '  against one',
        value: `× ${ratio.toFixed(2)}, × ${databaseRatio.toFixed(2)}`,
        promise: 'at most × 1.15',
        kept: ratio <= 1.15 && databaseRatio <= 1.15,
      },
      {
        name: 'a job of one coordinator, claimed by a call that waits at another',
        value: `${median(pickUps).toFixed(0)} ms, p99 ${quantile(pickUps, 0.99).toFixed(0)}`,
        promise: 'median at most 50 ms',
        kept: median(pickUps) <= 50,
      },
    ]
  } finally {
    server.stop()
  }
}

type Summary = ReturnType<typeof summary>

/** Coordinators over a database, and a folder for their files. */
class Group {
  readonly coordinators: readonly RunningCoordinator[]
  readonly #apis: readonly Api[]

  private constructor(coordinators: readonly RunningCoordinator[]) {
    this.coordinators = coordinators
    this.#apis = coordinators.map((one) => new Api(one.url))
  }

  static async start(count: number, url: string, folder: string): Promise<Group> {
    await mkdir(folder)
    const args = ['--database-url', url, '--data-shared']
    const start = async (): Promise<RunningCoordinator> =>
      await startCoordinator(path.join(folder, 'data'), path.dirname(folder), { args, built: true })
    // The first makes what the others find.
    const first = await start()
    const others = await Promise.all(Array.from({ length: count - 1 }, start))
    return new Group([first, ...others])
  }

  /** The n-th, in turn. */
  at(n: number): Api {
    return this.#apis[n % this.#apis.length]!
  }

  async close(): Promise<void> {
    await Promise.all(this.#apis.map(async (api) => await api.close()))
    for (const one of this.coordinators) one.signal('SIGTERM')
    await Promise.all(this.coordinators.map(async ({ ended }) => await ended))
  }
}

/** @param databaseCpu gets what a cycle costs the database, a figure for each lap. */
function sideOf(group: Group, file: string, server: PostgresServer, databaseCpu: number[]): Side {
  return {
    async lap(cycles) {
      const from = treeCpuSeconds(server.pid)
      // Each has as much to do as one alone: statements of callers that come together are one, so a statement serves fewer
      // of them where there is less to do.
      const all = cycles * group.coordinators.length
      const lap = await lapOf(
        all,
        async (n, worker) => {
          await group.at(n).create(file)
          await finish(group.at(n + 2), await claim(group.at(n + 1), worker, n, 10))
        },
        () => secondsOf(group.coordinators.map(({ pid }) => pid)),
        CLIENTS * group.coordinators.length,
      )
      databaseCpu.push(((treeCpuSeconds(server.pid) - from) * 1000) / all)
      return lap
    },
    close: async () => await group.close(),
  }
}

function secondsOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => sum + cpuSecondsOf(pid), 0)
}

/** From the answer to a client to the answer to a worker, in milliseconds. */
async function pickUpsOf(group: Group, file: string): Promise<number[]> {
  const waits: number[] = []
  for (let n = 0; n < PICK_UPS; n += 1) {
    let gotAt = 0
    const got = claim(group.at(n + 1), 'waiting', n, 30).then((jobs) => {
      gotAt = performance.now()
      return jobs
    })
    // The call is there when a later one has been answered.
    await group.at(n + 1).send('GET', '/health')
    await group.at(n).create(file)
    const createdAt = performance.now()
    await finish(group.at(n + 2), await got)
    waits.push(Math.max(0, gotAt - createdAt))
  }
  return waits
}
