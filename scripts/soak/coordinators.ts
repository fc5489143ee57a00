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
  readonly #pauses: Promise<void>[] = []

  private constructor(
    findings: Findings,
    keepers: readonly Keeper[],
    database: PostgresServer | null,
  ) {
    this.findings = findings
    this.keepers = keepers
    this.#database = database
  }

  static async start(count: number, options: KeeperOptions): Promise<Coordinators> {
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
    const keepers = Array.from({ length: count }, () => new Keeper({ ...options, args }, findings))
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

  /** One that does not stand still. */
  any(random: () => number): Keeper {
    return pick(
      random,
      this.keepers.filter(({ isPaused }) => !isPaused),
    )
  }

  /** Lets one stand still. Others go on meanwhile, and what is done to them. */
  async pause(random: () => number, ms: number): Promise<void> {
    const pause = this.any(random).pause(ms)
    if (this.areSeveral) this.#pauses.push(pause)
    else await pause
  }

  /** Resolves when none stands still. */
  async awake(): Promise<void> {
    await Promise.all(this.#pauses)
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
    await this.stop()
    this.#database?.stop()
  }
}
