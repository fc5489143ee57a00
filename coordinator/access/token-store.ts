import type { Records } from './token-record.ts'

/** Where tokens are kept. Several processes may change them. */
export interface TokenStore {
  /** For people, in messages: the name of the place. */
  readonly place: string
  /**
   * The current tokens, from memory unless they have changed: cheap enough for every request.
   * @throws {AppError} `unavailable` while they cannot be read.
   */
  get(): Records
  /** Changes the tokens, one change after the other; durable. @throws {AppError} `unavailable`, and what `change` throws. */
  change(change: (tokens: Records) => Records): Promise<Records>
  /** When each token was last used, by id. */
  uses(): Promise<ReadonlyMap<string, number>>
  /** Keeps what is new of that; need not be durable. */
  saveUses(uses: ReadonlyMap<string, number>): Promise<void>
  close(): Promise<void>
}
