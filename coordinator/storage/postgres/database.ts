import pg from 'pg'
import { MINUTE, SECOND } from '../../../shared/duration.ts'
import { AppError } from '../../../shared/errors.ts'
import { delay } from '../../../shared/timers.ts'
import type { DatabaseAddress } from './address.ts'
import { databaseError, failureKind } from './failures.ts'

/** Prepared once per connection, by its name. */
export interface Statement {
  name: string
  text: string
}

export type Row = Record<string, unknown>
/** Runs a statement of a transaction. */
export type Ask = <R = Row>(statement: Statement, values?: readonly unknown[]) => Promise<R[]>

export interface DatabaseOptions {
  address: DatabaseAddress
  /** Connections at a time. */
  poolSize?: number
  /** Called once when the database is gone, and with null when it is back. */
  onFailure?: (failure: AppError | null) => void
}

const CONNECT_MS = 3 * SECOND
const PROBE_MS = SECOND
const IDLE_MS = MINUTE
/** How long the outcome of a write without an answer is asked for. */
const OUTCOME_MS = 5 * SECOND
const MOST_TRIES = 3
const INT8 = 20
const JSON_TEXT = 114

/** How every connection of ours begins; the times in milliseconds. */
const SESSION = {
  application_name: 'morag-coordinator',
  keepAlive: true,
  keepAliveInitialDelayMillis: 10 * SECOND,
  connectionTimeoutMillis: CONNECT_MS,
  query_timeout: 10 * SECOND,
  types: {
    /** Instants and counts are numbers; JSON stays as it was written. */
    getTypeParser: ((id: number, format: 'text') => {
      if (id === INT8) return Number
      return id === JSON_TEXT ? String : pg.types.getTypeParser(id, format)
    }) as pg.CustomTypesConfig['getTypeParser'],
  },
} satisfies pg.ClientConfig

/** What the server ends by itself: also for a coordinator that stands still. */
const TIMEOUTS = {
  statement_timeout: 8 * SECOND,
  lock_timeout: 3 * SECOND,
  idle_in_transaction_session_timeout: 10 * SECOND,
}
const SET_TIMEOUTS = `SELECT ${Object.entries(TIMEOUTS)
  .map(([name, ms]) => `set_config('${name}', '${ms}', false)`)
  .join(', ')}`

/** A pool of connections to the server that takes writes. */
export class Database {
  readonly label: string
  readonly #address: DatabaseAddress
  readonly #pool: pg.Pool
  readonly #onFailure: NonNullable<DatabaseOptions['onFailure']>
  /** Connections to a server that takes writes. */
  readonly #primary = new WeakSet<pg.PoolClient>()
  /** Errors from before a statement was sent. */
  readonly #unsent = new WeakSet<Error>()
  #host = 0
  /** A pooler in between takes no {@link TIMEOUTS} when a connection begins. */
  #isPooled = false
  #failure: AppError | null = null
  #isClosed = false

  constructor({ address, poolSize = 8, onFailure = () => undefined }: DatabaseOptions) {
    this.label = address.label
    this.#address = address
    this.#onFailure = onFailure
    const configOf = (): pg.ClientConfig => ({
      ...(this.#isPooled ? {} : TIMEOUTS),
      ...this.clientConfig(),
    })
    this.#pool = new pg.Pool({
      connectionTimeoutMillis: CONNECT_MS,
      pipeline: address.isPipelined,
      max: poolSize,
      idleTimeoutMillis: IDLE_MS,
      // An idle connection does not keep a process alive that has nothing else to do.
      allowExitOnIdle: true,
      // The pool's types want the class that they name.
      Client: class extends pg.Client {
        constructor(config: pg.ClientConfig) {
          super({ ...config, ...configOf() })
        }
      } as unknown as new () => pg.ClientBase,
    })
    // A connection broke: the statement that runs on it says so, or the next one. Without a listener its error would end
    // the process.
    this.#pool.on('connect', (client) => client.on('error', () => undefined))
    this.#pool.on('error', () => undefined)
  }

  /** Why nothing can be read or changed just now, or null. */
  get failure(): AppError | null {
    return this.#failure
  }

  /** For a connection of one's own, to the host that was found last. */
  clientConfig(): pg.ClientConfig {
    const { hosts, user, password, database, ssl } = this.#address
    const login = {
      ...(user && { user }),
      ...(password && { password }),
      ...(database && { database }),
    }
    return { ...SESSION, ...login, ...hosts[this.#host]!, ssl }
  }

  /** Reads, or changes what may be changed twice. @throws {AppError} `unavailable`, `no_space` */
  query: Ask = async (statement, values = []) =>
    await this.#tried(async () => await this.#once(statement, values), true)

  /** The first row, or null. */
  async one<R = Row>(statement: Statement, values: readonly unknown[] = []): Promise<R | null> {
    return (await this.query<R>(statement, values))[0] ?? null
  }

  /**
   * Changes. @param happened finds what the statement has given, asked when the connection broke before the answer.
   * @throws {AppError} `unavailable`, `no_space`
   */
  async write<R = Row>(
    statement: Statement,
    values: readonly unknown[],
    happened: () => Promise<R[]>,
  ): Promise<R[]> {
    return await this.#certain(async () => await this.#once<R>(statement, values), happened)
  }

  /**
   * Commits what `work` does, or nothing of it; `work` may be called again.
   * @param happened as for {@link write}: what `work` has given.
   */
  async transaction<T>(work: (ask: Ask) => Promise<T>, happened?: () => Promise<T>): Promise<T> {
    const run = async (): Promise<T> =>
      await this.#connected(async (client) => {
        const ask: Ask = async (statement, values = []) =>
          await this.#ask(client, statement, values)
        const begun = client.query('BEGIN')
        if (!this.#address.isPipelined) await begun
        const [result] = await Promise.all([work(ask), begun])
        await client.query('COMMIT')
        return result
      })
    if (happened === undefined) return await this.#tried(run, false)
    return await this.#certain(run, happened)
  }

  async close(): Promise<void> {
    this.#isClosed = true
    await this.#pool.end()
  }

  async #once<R>(statement: Statement, values: readonly unknown[]): Promise<R[]> {
    return await this.#connected(async (client) => await this.#ask<R>(client, statement, values))
  }

  async #ask<R>(
    client: pg.ClientBase,
    { name, text }: Statement,
    values: readonly unknown[],
  ): Promise<R[]> {
    const named = this.#address.isPrepared ? { name, text } : { text }
    return (await client.query({ ...named, values: [...values] })).rows as R[]
  }

  async #connected<T>(work: (client: pg.PoolClient) => Promise<T>): Promise<T> {
    const client = await this.#connect()
    let broken: Error | undefined
    // A connection that breaks between two statements of a transaction: the next one says so.
    const onError = (error: Error): void => void (broken = error)
    client.on('error', onError)
    try {
      return await work(client)
    } catch (error) {
      if (failureKind(error) === 'gone') broken = error as Error
      else if (client.getTransactionStatus?.() !== 'I')
        await client.query('ROLLBACK').catch((failed: unknown) => (broken = failed as Error))
      throw error
    } finally {
      client.off('error', onError)
      client.release(broken)
    }
  }

  /** Tries every host once, from the one that answered last. */
  async #connect(): Promise<pg.PoolClient> {
    const { hosts } = this.#address
    for (let left = hosts.length - 1; ; left -= 1)
      try {
        return await this.#checked(await this.#pool.connect())
      } catch (error) {
        this.#unsent.add(error as Error)
        if (!this.#isPooled && isParameterRefused(error)) {
          this.#isPooled = true
          left += 1
          continue
        }
        if (failureKind(error) !== 'gone') throw error
        this.#host = (this.#host + 1) % hosts.length
        if (left <= 0) throw error
      }
  }

  async #checked(client: pg.PoolClient): Promise<pg.PoolClient> {
    if (this.#primary.has(client)) return client
    try {
      await checkPrimary(client)
      if (this.#isPooled) await client.query(SET_TIMEOUTS)
    } catch (error) {
      client.release(error as Error)
      throw error
    }
    this.#primary.add(client)
    return client
  }

  /** @param isRepeatable whether it may be done twice: where its connection broke, it is. */
  async #tried<T>(work: () => Promise<T>, isRepeatable: boolean): Promise<T> {
    if (this.#failure !== null) throw this.#failure
    for (let left = MOST_TRIES; ; left -= 1)
      try {
        return await work()
      } catch (error) {
        const kind = failureKind(error)
        if (kind === 'again' && left > 1) continue
        const mayRepeat = isRepeatable || this.#unsent.has(error as Error)
        if (kind === 'gone' && mayRepeat && left === MOST_TRIES) continue
        const failure = databaseError(error, this.label)
        if (kind === 'gone' && mayRepeat && failure instanceof AppError) this.#fail(failure)
        throw failure
      }
  }

  /** As {@link #tried}, for a change: once it may have happened, `happened` says what it gave. */
  async #certain<T>(work: () => Promise<T>, happened: () => Promise<T>): Promise<T> {
    let isUncertain = false
    const once = async (): Promise<T> => {
      try {
        return await work()
      } catch (error) {
        isUncertain = failureKind(error) === 'gone' && !this.#unsent.has(error as Error)
        throw error
      }
    }
    try {
      return await this.#tried(once, false)
    } catch (error) {
      if (!isUncertain) throw error
      const until = performance.now() + OUTCOME_MS
      for (;;) {
        const found = await happened().then(
          (value) => ({ value }),
          () => null,
        )
        if (found !== null) return found.value
        if (performance.now() >= until || this.#isClosed) throw error
        await delay(PROBE_MS / 4)
      }
    }
  }

  #fail(failure: AppError): void {
    if (this.#failure !== null || this.#isClosed) return
    this.#failure = failure
    this.#onFailure(failure)
    void this.#probe()
  }

  async #probe(): Promise<void> {
    while (!this.#isClosed) {
      await delay(PROBE_MS, { ref: false })
      const isBack = await this.#once({ name: 'probe', text: 'SELECT 1' }, []).then(
        () => true,
        () => false,
      )
      if (!isBack) continue
      this.#failure = null
      return this.#onFailure(null)
    }
  }
}

/** @throws when the server only reads: it follows another. */
async function checkPrimary(client: pg.ClientBase): Promise<void> {
  const { rows } = await client.query<{ follows: boolean }>('SELECT pg_is_in_recovery() AS follows')
  if (rows[0]!.follows)
    throw Object.assign(new Error('it is a standby, which takes no changes'), { code: '25006' })
}

/** What PgBouncer says of the settings that it does not know. */
function isParameterRefused(error: unknown): boolean {
  return error instanceof pg.DatabaseError && /unsupported startup parameter/.test(error.message)
}
