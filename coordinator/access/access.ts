import { timingSafeEqual } from 'node:crypto'
import { isIP } from 'node:net'
import type { Logger } from 'pino'
import { hostOf, isOwnAddress, isOwnName } from '../../shared/addresses.ts'
import { SECOND } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import type { AccessConfig } from '../config.ts'
import type { FleetLimits } from '../fleet-limits.ts'
import { OpenAnswers } from './open-answers.ts'
import { API_KEY_HOLDER, OPEN_MODE, unauthorized, type Principal } from './principal.ts'
import { Throttle } from './throttle.ts'
import type { TokenStore } from './token-store.ts'
import { digestOf } from './token-text.ts'
import { TokenUse } from './token-use.ts'
import { Tokens, type NewToken } from './tokens.ts'
import { WorkerNames } from './worker-names.ts'

/** A shorter key may be guessed. */
const UNGUESSABLE_CHARS = 32

export interface AccessOptions extends Pick<AccessConfig, 'apiKey' | 'insecureNoAuth'> {
  fleet: Pick<FleetLimits, 'agentsOfToken'>
  host: string
}

/** Authentication: by tokens and by `MORAG_API_KEY`; in open mode every caller is admitted. */
export class Access {
  readonly tokens: Tokens
  readonly answers: OpenAnswers
  readonly names: WorkerNames
  readonly #use: TokenUse
  readonly #throttle: Throttle
  readonly #log: Logger
  readonly #now: () => number
  readonly #key: { digest: Buffer; isGuessable: boolean } | null
  readonly #mayBeOpen: boolean
  /** Without a token only this machine has access. */
  readonly #isOwn: boolean
  #hasAsked = false
  #logged = ''
  /** The last that was not refused. */
  #ownHost = ''

  /** @throws {AppError} `usage` when the tokens cannot be read. */
  constructor(options: AccessOptions, store: TokenStore, log: Logger, now: () => number) {
    const { apiKey, host, insecureNoAuth, fleet } = options
    this.tokens = new Tokens(store, now)
    this.#use = new TokenUse(store, (error) => {
      log.warn({ err: error }, 'cannot write when tokens were used')
    })
    this.#throttle = new Throttle(now)
    this.answers = new OpenAnswers(() => this.#areGood())
    const isGood = (principal: Principal): boolean => this.#mayStay(principal)
    this.names = new WorkerNames(now, isGood, fleet.agentsOfToken)
    this.#log = log
    this.#now = now
    const isGuessable = apiKey !== null && apiKey.length < UNGUESSABLE_CHARS
    this.#key = apiKey === null ? null : { digest: digestOf(apiKey), isGuessable }
    this.#mayBeOpen = isOwnAddress(host) || insecureNoAuth
    this.#isOwn = !insecureNoAuth
    try {
      this.tokens.all()
    } catch (error) {
      throw error instanceof AppError ? new AppError('usage', error.message) : error
    }
  }

  /**
   * Authenticates a request.
   * @param given the token or key.
   * @param address of the client.
   * @param host of the request's `Host` header.
   * @throws {AppError} `unauthorized`; `too_many_requests` for an address with many wrong tokens; `unavailable` while
   * the tokens cannot be read; `forbidden` for a host name that may belong to a foreign page.
   */
  identify(given: string | null, address: string, host: string | null): Principal {
    const { found, isGuessable } = this.#holderOf(given)
    if (found === OPEN_MODE && this.#isOwn && host !== null && host !== this.#ownHost) {
      refuseOtherHost(host)
      this.#ownHost = host
    }
    if (given === null && found === null) throw unauthorized()
    const waitMs = this.#throttle.waitMs(address)
    // A valid token is not slowed: behind a proxy many clients share an address.
    if (found !== null && !(isGuessable && waitMs > 0)) {
      if (found.tokenId !== null) this.#use.note(found.tokenId, this.#now())
      return found
    }
    if (waitMs > 0) {
      const retryAfterSeconds = Math.ceil(waitMs / SECOND)
      const message = 'Too many wrong tokens came from this address: wait before the next.'
      throw new AppError('too_many_requests', message, { retryAfterSeconds })
    }
    if (this.#throttle.failed(address)) {
      this.#log.warn({ address }, 'throttling an address with many wrong tokens')
    }
    throw unauthorized()
  }

  /**
   * Whether a caller admitted earlier would still be admitted.
   * @throws {AppError} `unavailable` while the tokens cannot be read.
   */
  isGood(principal: Principal): boolean {
    if (principal === OPEN_MODE) return this.#isOpen()
    return principal.tokenId === null || this.tokens.isGood(principal)
  }

  /**
   * Creates a worker's token, in exchange for a one-time token or for an admin.
   * @throws {AppError} `unauthorized` for a used one-time token; `conflict` for a taken name, and in open mode.
   */
  async register({ role, tokenId }: Principal, name: string): Promise<NewToken> {
    if (role === 'register' && tokenId !== null) return await this.tokens.register(tokenId, name)
    if (!this.#isOpen()) {
      return await this.tokens.create({ role: 'worker', name, types: null, lifeMs: null })
    }
    // The first token would end open mode.
    const message = 'This coordinator requires no token: start without one.'
    throw new AppError('conflict', message)
  }

  warnings(): string[] {
    const found: string[] = []
    if (this.#isOpen()) {
      found.push(
        'authentication is off: any client that reaches this address has full access; make a token (morag-coordinator token create) or set MORAG_API_KEY',
      )
    }
    if (this.#key?.isGuessable === true) {
      found.push(
        `MORAG_API_KEY is shorter than ${UNGUESSABLE_CHARS} characters and may be guessed: make one with openssl rand -hex 32`,
      )
    }
    return found
  }

  async close(): Promise<void> {
    this.answers.close()
    await this.#use.close()
  }

  /**
   * Open mode: neither tokens nor a key, and allowed by the address or the flag. Once a token was required, it stays so
   * until the next start: damaged tokens must not open the coordinator.
   */
  #isOpen(): boolean {
    if (!this.#mayBeOpen || this.#key !== null || this.#hasAsked) return false
    this.#hasAsked = this.tokens.all().length > 0
    return !this.#hasAsked
  }

  /** {@link isGood} of many, by one look at the tokens. @throws {AppError} as `isGood`. */
  #areGood(): (principal: Principal) => boolean {
    const isOpen = this.#isOpen()
    const isGood = this.tokens.areGood()
    return (principal) => {
      if (principal === OPEN_MODE) return isOpen
      return principal.tokenId === null || isGood(principal)
    }
  }

  /** While the tokens cannot be read, names stay taken. */
  #mayStay(principal: Principal): boolean {
    try {
      return this.isGood(principal)
    } catch {
      return true
    }
  }

  #holderOf(given: string | null): { found: Principal | null; isGuessable: boolean } {
    const key = this.#key
    if (given !== null && key !== null && timingSafeEqual(digestOf(given), key.digest))
      return { found: API_KEY_HOLDER, isGuessable: key.isGuessable }
    try {
      if (this.#isOpen()) return { found: OPEN_MODE, isGuessable: false }
      if (given === null) return { found: null, isGuessable: false }
      const found = this.tokens.holderOf(given)
      this.#logged = ''
      return { found, isGuessable: false }
    } catch (error) {
      // A damaged file means that there are tokens.
      if (error instanceof AppError) this.#hasAsked = true
      const reason = messageOf(error)
      if (reason !== this.#logged)
        this.#log.error(
          { err: error },
          'cannot read the tokens; rejecting all token authentication',
        )
      this.#logged = reason
      const message = 'The coordinator cannot read its tokens: see its log.'
      throw new AppError('unavailable', message, { cause: error })
    }
  }
}

/**
 * Against DNS rebinding: a foreign page's name may resolve to this machine. Addresses and names without a dot cannot be
 * registered by others.
 * @throws {AppError} `forbidden`
 */
function refuseOtherHost(host: string): void {
  const url = `http://${host}`
  const name = URL.canParse(url) ? hostOf(new URL(url)) : null
  if (name !== null && (isIP(name) !== 0 || isOwnName(name) || /^[\w-]+$/.test(name))) return
  const message =
    'Without a token this host name is refused, because a foreign page may use it: use localhost or an address, create a token (morag-coordinator token create), or allow all with --insecure-no-auth.'
  throw new AppError('forbidden', message)
}
