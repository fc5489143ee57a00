import { randomBytes, timingSafeEqual } from 'node:crypto'
import { KeyedMutex } from '../keyed-mutex.ts'
import type { Principal } from './principal.ts'
import {
  findToken,
  withoutToken,
  withRegistered,
  withRotated,
  withToken,
  type Issued,
  type TokenWish,
} from './token-changes.ts'
import { stateOf, type TokenRecord } from './token-record.ts'
import { digestOf, newToken } from './token-text.ts'
import { TokensFile } from './tokens-file.ts'

/** A token that was just made: the only time that its text is known. */
export interface NewToken {
  token: string
  record: TokenRecord
}

/** What opens a door, until when. */
interface Digest {
  record: TokenRecord
  digest: Buffer
  untilAt: number
}

/** The tokens of a data folder. What another process changes holds from the next call on. */
export class Tokens {
  readonly #file: TokensFile
  readonly #now: () => number
  readonly #turns = new KeyedMutex()
  /** What {@link #known} was made of. */
  #read: readonly TokenRecord[] = []
  #known: readonly Digest[] = []

  constructor(dataDir: string, now: () => number) {
    this.#file = new TokensFile(dataDir)
    this.#now = now
  }

  /** All that there ever were. @throws {AppError} `unavailable` when their file cannot be read; as do all others. */
  all(): readonly TokenRecord[] {
    return this.#file.get()
  }

  /** Whose token a text is, or null. Each digest is compared, and in constant time. */
  holderOf(text: string): Principal | null {
    const given = digestOf(text)
    const now = this.#now()
    let holder: TokenRecord | null = null
    for (const one of this.#digests()) {
      if (timingSafeEqual(given, one.digest) && opens(one, now)) holder = one.record
    }
    if (holder === null) return null
    const { role, id, name, types } = holder
    return { role, tokenId: id, sha256: given.toString('hex'), name, types }
  }

  /** Whether a token is still good in the text that its holder came in with a while ago. */
  isGood({ tokenId, sha256 }: Principal): boolean {
    const now = this.#now()
    return this.#digests().some(
      (one) =>
        one.record.id === tokenId && one.digest.toString('hex') === sha256 && opens(one, now),
    )
  }

  /** For the log; undefined when there is no such token, or their file cannot be read. */
  nameOf(tokenId: string): string | undefined {
    try {
      return this.#file.get().find(({ id }) => id === tokenId)?.name
    } catch {
      return undefined
    }
  }

  /** @throws {AppError} `usage`, `conflict`. */
  async create(wish: TokenWish): Promise<NewToken> {
    return await this.#issue((tokens, issued, now) => withToken(tokens, wish, issued, now))
  }

  /** Exchanges a one-time token. @throws {AppError} `unauthorized` when it is good no more; `usage`, `conflict`. */
  async register(onceId: string, name: string): Promise<NewToken> {
    return await this.#issue((tokens, issued, now) =>
      withRegistered(tokens, onceId, name, issued, now),
    )
  }

  /** @throws {AppError} `not_found`, `conflict`. */
  async rotate(nameOrId: string, keepOldMs: number): Promise<NewToken> {
    const token = newToken()
    const record = await this.#change(nameOrId, (tokens, found, now) =>
      withRotated(tokens, found, hexOf(token), keepOldMs, now),
    )
    return { token, record }
  }

  /** @throws {AppError} `not_found` */
  async revoke(nameOrId: string): Promise<TokenRecord> {
    return await this.#change(nameOrId, withoutToken)
  }

  #digests(): readonly Digest[] {
    const tokens = this.#file.get()
    if (tokens !== this.#read) {
      this.#read = tokens
      this.#known = tokens.flatMap(digestsOf)
    }
    return this.#known
  }

  async #issue(
    change: (tokens: readonly TokenRecord[], issued: Issued, now: number) => TokenRecord[],
  ): Promise<NewToken> {
    const token = newToken()
    const issued = { id: `t_${randomBytes(8).toString('hex')}`, sha256: hexOf(token) }
    const after = await this.#write((tokens) => change(tokens, issued, this.#now()))
    return { token, record: after.find(({ id }) => id === issued.id)! }
  }

  async #change(
    nameOrId: string,
    change: (tokens: readonly TokenRecord[], found: TokenRecord, now: number) => TokenRecord[],
  ): Promise<TokenRecord> {
    let changed = ''
    const after = await this.#write((tokens) => {
      const found = findToken(tokens, nameOrId, this.#now())
      changed = found.id
      return change(tokens, found, this.#now())
    })
    return after.find(({ id }) => id === changed)!
  }

  /** Our own changes in turn: the lock is for those of other processes. */
  async #write(
    change: (tokens: readonly TokenRecord[]) => readonly TokenRecord[],
  ): Promise<readonly TokenRecord[]> {
    return await this.#turns.take('tokens', async () => await this.#file.change(change))
  }
}

function hexOf(token: string): string {
  return digestOf(token).toString('hex')
}

function opens({ record, untilAt }: Digest, now: number): boolean {
  return now < untilAt && stateOf(record, now) === 'active'
}

/** Those of a token that may still be good: revoked and used ones never are again. */
function digestsOf(record: TokenRecord): Digest[] {
  const { sha256, previous, revokedAt, usedAt } = record
  if (revokedAt !== null || usedAt !== null) return []
  const found = [{ record, digest: Buffer.from(sha256, 'hex'), untilAt: Infinity }]
  if (previous !== null) {
    found.push({
      record,
      digest: Buffer.from(previous.sha256, 'hex'),
      untilAt: previous.untilAt,
    })
  }
  return found
}

/** Whether a data folder has tokens: also one that has none that is good. @throws {AppError} `unavailable` */
export function hasTokens(dataDir: string): boolean {
  return new TokensFile(dataDir).get().length > 0
}
