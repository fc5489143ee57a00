import { SECOND } from '../../shared/duration.ts'
import { startInterval } from '../../shared/timers.ts'
import type { Signals } from '../storage/peers.ts'
import { databaseAddress } from '../storage/postgres/address.ts'
import { Database, type Ask } from '../storage/postgres/database.ts'
import { checkSchema } from '../storage/postgres/migrate.ts'
import { formatToken, parseToken, type Records, type TokenRecord } from './token-record.ts'
import type { TokenStore } from './token-store.ts'

/** How often changes of others are looked for. */
const LOOK_MS = 2 * SECOND

/** One change at a time: the newest version is seen after all before it. The number is any that nobody else takes. */
const LOCK = { name: 'tokens_lock', text: 'SELECT pg_advisory_xact_lock(6672408)' }
const SINCE = {
  name: 'tokens_since',
  text: 'SELECT record, version FROM morag.tokens WHERE version > $1',
}
const PUT = {
  name: 'token_put',
  text: `INSERT INTO morag.tokens (token_id, name, record, version) VALUES ($1, $2, $3, $4)
    ON CONFLICT (token_id) DO UPDATE SET record = excluded.record, version = excluded.version`,
}
const USES = {
  name: 'token_uses',
  text: 'SELECT token_id, used_at FROM morag.tokens WHERE used_at IS NOT NULL',
}
const SAVE_USES = {
  name: 'token_uses_save',
  text: `UPDATE morag.tokens t SET used_at = u.used_at
    FROM unnest($1::text[], $2::bigint[]) AS u (token_id, used_at)
    WHERE t.token_id = u.token_id AND coalesce(t.used_at, 0) < u.used_at`,
}

/** The tokens of a database, in memory: whoever has one is known while the database is away. */
export class DatabaseTokens implements TokenStore {
  readonly place: string
  readonly #database: Database
  readonly #onChange: () => void
  readonly #byId = new Map<string, { record: TokenRecord; version: number }>()
  #records: Records = []
  #version = 0
  #timer: NodeJS.Timeout | null = null

  private constructor(database: Database, onChange: () => void) {
    this.#database = database
    this.#onChange = onChange
    this.place = `the database ${database.label}`
  }

  /** @param onChange called after a change by this process. */
  static async open(
    database: Database,
    onChange: () => void = () => undefined,
  ): Promise<DatabaseTokens> {
    const tokens = new DatabaseTokens(database, onChange)
    await tokens.refresh()
    return tokens
  }

  /** Takes up changes of others from now on: with their news, and at the latest after two seconds. */
  watch(signals: Signals): void {
    // While the database is away, those that are known are good.
    const refresh = (): void => void this.refresh().catch(() => undefined)
    this.#timer = startInterval(refresh, LOOK_MS).unref()
    signals.on(({ about }) => {
      if (about === 'tokens' || about === 'all') refresh()
    })
  }

  /** Reads what has changed. */
  async refresh(): Promise<void> {
    await this.#read(this.#database.query)
  }

  get(): Records {
    return this.#records
  }

  async change(change: (tokens: Records) => Records): Promise<Records> {
    let changed: TokenRecord[] = []
    const after = await this.#database.transaction(
      async (ask) => {
        await ask(LOCK)
        await this.#read(ask)
        const before = new Set(this.#records)
        const made = change(this.#records)
        changed = made.filter((record) => !before.has(record))
        for (const record of changed)
          await ask(PUT, [record.id, record.name, formatToken(record), this.#version + 1])
        return made
      },
      async () => {
        await this.refresh()
        const kept = changed.map(({ id }) => this.#byId.get(id)?.record)
        if (
          changed.some(
            (record, i) => kept[i] === undefined || formatToken(kept[i]) !== formatToken(record),
          )
        )
          throw new Error('the change did not happen')
        return this.#records
      },
    )
    await this.refresh().catch(() => undefined)
    this.#onChange()
    return after
  }

  async uses(): Promise<Map<string, number>> {
    const rows = await this.#database.query<{ token_id: string; used_at: number }>(USES)
    return new Map(rows.map((row) => [row.token_id, row.used_at]))
  }

  async saveUses(uses: ReadonlyMap<string, number>): Promise<void> {
    await this.#database.query(SAVE_USES, [[...uses.keys()], [...uses.values()]])
  }

  async close(): Promise<void> {
    if (this.#timer !== null) clearInterval(this.#timer)
  }

  async #read(ask: Ask): Promise<void> {
    const rows = await ask<{ record: string; version: number }>(SINCE, [this.#version])
    if (rows.length === 0) return
    for (const { record: text, version } of rows) {
      const record = parseToken(text)
      // What was asked for earlier may come later.
      if (version <= (this.#byId.get(record.id)?.version ?? -1)) continue
      this.#byId.set(record.id, { record, version })
      this.#version = Math.max(this.#version, version)
    }
    const records = [...this.#byId.values()].map(({ record }) => record)
    this.#records = records.sort((a, b) => a.createdAt - b.createdAt)
  }
}

/** For a command. Closing it closes the database. @throws {AppError} `usage` when its schema is not as it has to be. */
export async function tokensOfDatabase(url: string): Promise<TokenStore> {
  const database = new Database({ address: databaseAddress(url), poolSize: 2 })
  try {
    await checkSchema(database)
    const tokens = await DatabaseTokens.open(database)
    tokens.close = async () => await database.close()
    return tokens
  } catch (error) {
    await database.close()
    throw error
  }
}
