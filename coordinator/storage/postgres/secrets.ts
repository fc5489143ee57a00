import type { SecretStore } from '../secrets.ts'
import type { Database } from './database.ts'

const READ = { name: 'secret_read', text: 'SELECT value FROM morag.secrets WHERE name = $1' }
const KEEP = {
  name: 'secret_keep',
  text: 'INSERT INTO morag.secrets (name, value) VALUES ($1, $2) ON CONFLICT (name) DO NOTHING',
}

/** Secrets that all coordinators over a database share. */
export class DatabaseSecrets implements SecretStore {
  readonly #database: Database

  constructor(database: Database) {
    this.#database = database
  }

  async read(name: string): Promise<Buffer | null> {
    return (await this.#database.one<{ value: Buffer }>(READ, [name]))?.value ?? null
  }

  async keep(name: string, secret: Buffer): Promise<Buffer> {
    await this.#database.query(KEEP, [name, secret])
    return (await this.read(name))!
  }

  placeOf(name: string): string {
    return `the database ${this.#database.label} (morag.secrets, ${name})`
  }
}
