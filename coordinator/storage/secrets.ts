import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { isSystemError } from '../../shared/errors.ts'
import { replaceFile } from '../../shared/replace-file.ts'

/** Secrets that a coordinator makes once, and that outlive it. */
export interface SecretStore {
  /** Null: there is none of that name. */
  read(name: string): Promise<Buffer | null>
  /** Keeps a new one; durable. @returns the one that is kept: another process may have been faster. */
  keep(name: string, secret: Buffer): Promise<Buffer>
  /** Where it is, for people. */
  placeOf(name: string): string
}

/** Files of the data folder, mode 0600. */
export class FileSecrets implements SecretStore {
  readonly #dir: string

  constructor(dataDir: string) {
    this.#dir = dataDir
  }

  async read(name: string): Promise<Buffer | null> {
    return await readFile(this.placeOf(name)).catch((error: unknown) => {
      if (isSystemError(error, 'ENOENT')) return null
      throw error
    })
  }

  async keep(name: string, secret: Buffer): Promise<Buffer> {
    await replaceFile(this.placeOf(name), secret)
    return secret
  }

  placeOf(name: string): string {
    return path.join(this.#dir, name)
  }
}
