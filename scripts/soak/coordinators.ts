import { setTimeout as delay } from 'node:timers/promises'
import { pick } from '../../test/shared/seeded-random.ts'
import { PostgresServer } from '../../test/shared/postgres-server.ts'
import { run } from '../processes.ts'
import { Findings } from './findings.ts'
import { Keeper, type KeeperOptions } from './keeper.ts'

/** The coordinators of a run: one over files, or several over a database and one folder. */
export class Coordinators {
  readonly findings: Findings
  readonly keepers: readonly Keeper[]
  readonly #database: PostgresServer | null
  /** Those that stand still or start. */
  readonly #away: Promise<void>[] = []

  private constructor(
    findings: Findings,
    keepers: readonly Keeper[],
    database: PostgresServer | null,
  ) {
    this.findings = findings
    this.keepers = keepers
    this.#database = database
  }

  /** @param beside a checkout whose build the last of several runs. */
  static async start(
    count: number,
    options: KeeperOptions,
    beside: string | null = null,
  ): Promise<Coordinators> {
    const findings = new Findings()
    if (count === 1) {
      const alone = new Coordinators(findings, [new Keeper(options, findings)], null)
      await alone.start()
      return alone
    }
    const database = await PostgresServer.start({ isDurable: true })
    const url = ['--database-url', database.url('postgres')]
    await run('coordinator', ['migrate', ...url], { built: options.built }).ended
    const args = [...options.args, ...url, '--data-shared']
    const keepers = Array.from({ length: count }, (_, n) => {
      const built = beside !== null && n === count - 1 ? { root: beside } : options.built
      return new Keeper({ ...options, args, built }, findings)
    })
    const all = new Coordinators(findings, keepers, database)
    await all.start()
    return all
  }

  get areSeveral(): boolean {
    return this.keepers.length > 1
  }

  /** Starts all that are not there. */
  async start(): Promise<void> {
    await Promise.all(this.keepers.map(async (keeper) => await keeper.start()))
  }

  /** One that is there. */
  async any(random: () => number): Promise<Keeper> {
    for (;;) {
      const there = this.keepers.filter(({ isThere }) => isThere)
      if (there.length > 0) return pick(random, there)
      await delay(50)
    }
  }

  /** Kills one and starts it again. @param stopsForMs as for {@link Keeper.kill}. */
  async kill(keeper: Keeper, stopsForMs: number | null): Promise<void> {
    await keeper.kill(stopsForMs)
    await this.#goOnWithout(startAgain(keeper))
  }

  /** Lets one stand still. */
  async pause(keeper: Keeper, ms: number): Promise<void> {
    await this.#goOnWithout(keeper.pause(ms))
  }

  /** Others go on meanwhile, and what is done to them. */
  async #goOnWithout(away: Promise<void>): Promise<void> {
    if (this.areSeveral) this.#away.push(away)
    else await away
  }

  /** Resolves when all are there. */
  async complete(): Promise<void> {
    await Promise.all(this.#away)
  }

  /** Ends the database as a crash does, and starts it again. */
  async restartDatabase(): Promise<void> {
    this.findings.restarts += 1
    await this.#database?.crash()
  }

  /** What is under `/health` of the first that answers; null while all are away. */
  async health(): Promise<Record<string, unknown> | null> {
    for (const keeper of this.keepers) {
      const health = await keeper.health()
      if (health !== null) return health
    }
    return null
  }

  /** Looks at them until `isOver`. */
  async watch(isOver: () => boolean): Promise<void> {
    await Promise.all(this.keepers.map(async (keeper) => await keeper.watch(isOver)))
  }

  /** Ends them as an operator would; those exit codes that are not 0. */
  async stop(): Promise<(number | undefined)[]> {
    const codes = await Promise.all(this.keepers.map(async (keeper) => await keeper.stop()))
    return codes.filter((code) => code !== 0)
  }

  /** Ends all there is. */
  async close(): Promise<void> {
    await this.complete().catch(() => undefined)
    await this.stop()
    this.#database?.stop()
  }
}

/** Starts one as its supervisor does: again, where it ended because the database was away. */
async function startAgain(keeper: Keeper): Promise<void> {
  for (let left = 20; ; left -= 1)
    try {
      return await keeper.start()
    } catch (error) {
      if (left === 0) throw error
      await delay(500)
    }
}
