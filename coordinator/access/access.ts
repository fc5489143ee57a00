import { timingSafeEqual } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { isIP } from 'node:net'
import type { Logger } from 'pino'
import { hostOf, isOwnAddress, isOwnName } from '../../shared/addresses.ts'
import { SECOND } from '../../shared/duration.ts'
import { AppError, messageOf } from '../../shared/errors.ts'
import type { AccessConfig } from '../config.ts'
import { OpenAnswers } from './open-answers.ts'
import { ANYBODY, API_KEY_HOLDER, unauthorized, type Principal } from './principal.ts'
import { Throttle } from './throttle.ts'
import { digestOf } from './token-text.ts'
import { TokenUse } from './token-use.ts'
import { Tokens, type NewToken } from './tokens.ts'
import { WorkerNames } from './worker-names.ts'

/** A key of fewer characters was thought of by a person, and may be guessed. */
const UNGUESSABLE_CHARS = 32

export interface AccessOptions extends Pick<AccessConfig, 'apiKey' | 'insecureNoAuth'> {
  dataDir: string
  host: string
}

/** Who comes in: the holders of tokens and of `MORAG_API_KEY`, or in open mode everybody. */
export class Access {
  readonly #tokens: Tokens
  readonly #use: TokenUse
  readonly #throttle: Throttle
  readonly #answers: OpenAnswers
  readonly #names: WorkerNames
  readonly #log: Logger
  readonly #now: () => number
  readonly #key: { digest: Buffer; isGuessable: boolean } | null
  readonly #mayBeOpen: boolean
  /** Nobody is to come from another machine without a token. */
  readonly #isOwn: boolean
  #hasAsked = false
  #told = ''

  /** @throws {AppError} `usage` when the tokens cannot be read. */
  constructor(options: AccessOptions, log: Logger, now: () => number) {
    const { dataDir, apiKey, host, insecureNoAuth } = options
    this.#tokens = new Tokens(dataDir, now)
    this.#use = new TokenUse(dataDir, (error) => {
      log.warn({ err: error }, 'when tokens were last used could not be written down')
    })
    this.#throttle = new Throttle(now)
    this.#answers = new OpenAnswers((principal) => this.#mayStay(principal))
    this.#names = new WorkerNames(now, (principal) => this.#mayStay(principal))
    this.#log = log
    this.#now = now
    const isGuessable = apiKey !== null && apiKey.length < UNGUESSABLE_CHARS
    this.#key = apiKey === null ? null : { digest: digestOf(apiKey), isGuessable }
    this.#mayBeOpen = isOwnAddress(host) || insecureNoAuth
    this.#isOwn = !insecureNoAuth
    try {
      this.#tokens.all()
    } catch (error) {
      throw error instanceof AppError ? new AppError('usage', error.message) : error
    }
  }

  /**
   * Who makes a request.
   * @param given the token or key that was shown; null: none was.
   * @param address where the request comes from.
   * @param asked the host that it asks, as it says; null: it says none.
   * @throws {AppError} `unauthorized`; `too_many_requests` for an address that has shown many wrong ones;
   * `unavailable` while the tokens cannot be read; `forbidden` for what comes by a name that a page from elsewhere may have.
   */
  identify(given: string | null, address: string, asked: string | null): Principal {
    const { found, isGuessable } = this.#holderOf(given)
    if (found === ANYBODY && this.#isOwn && asked !== null) refuseOtherHost(asked)
    if (given === null && found === null) throw unauthorized()
    const waitMs = this.#throttle.waitMs(address)
    // What nobody can guess need not wait: many come from one address where a proxy stands in front.
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
      this.#log.warn({ address }, 'an address that has shown many wrong tokens is slowed')
    }
    throw unauthorized()
  }

  /**
   * Whether somebody who came in, and has waited since, would still be let in.
   * @throws {AppError} `unavailable` while the tokens cannot be read.
   */
  isGood(principal: Principal): boolean {
    if (principal === ANYBODY) return this.#isOpen()
    return principal.tokenId === null || this.#tokens.isGood(principal)
  }

  /** Ends an answer that is under way for longer than whom it is for would be let in. */
  watch(principal: Principal, answer: ServerResponse): void {
    this.#answers.add(principal, answer)
  }

  /** Lets a principal go by a worker's name. @throws {AppError} `unavailable` while another token does. */
  goBy(principal: Principal, workerId: string): void {
    this.#names.use(principal, workerId)
  }

  /** A token's name, for the log; undefined when there is no such token, or the tokens cannot be read. */
  nameOf(tokenId: string): string | undefined {
    return this.#tokens.nameOf(tokenId)
  }

  /**
   * A worker's token for whoever holds a one-time token, which is used up with it, or for an admin.
   * @throws {AppError} `unauthorized` when it is used up already; `conflict` for a name that is taken, and in open mode.
   */
  async register({ role, tokenId }: Principal, name: string): Promise<NewToken> {
    if (role === 'register' && tokenId !== null) return await this.#tokens.register(tokenId, name)
    if (!this.#isOpen()) {
      return await this.#tokens.create({ role: 'worker', name, types: null, lifeMs: null })
    }
    // The first token would close it to all who work without one.
    const message = 'This coordinator requires no token: start without one.'
    throw new AppError('conflict', message)
  }

  /** What an operator should know of at the start, as sentences. */
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
    this.#answers.close()
    await this.#use.close()
  }

  /**
   * Whether nobody is asked for a token: there is none, and no key, and that is allowed where we listen. Once somebody was
   * asked, all are until the next start: a file of tokens that comes to harm opens no door.
   */
  #isOpen(): boolean {
    if (!this.#mayBeOpen || this.#key !== null || this.#hasAsked) return false
    this.#hasAsked = this.#tokens.all().length > 0
    return !this.#hasAsked
  }

  /** While the tokens cannot be read nobody comes in, and nobody is known to have to go. */
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
      if (this.#isOpen()) return { found: ANYBODY, isGuessable: false }
      if (given === null) return { found: null, isGuessable: false }
      const found = this.#tokens.holderOf(given)
      this.#told = ''
      return { found, isGuessable: false }
    } catch (error) {
      // Whoever damages a file has had one.
      if (error instanceof AppError) this.#hasAsked = true
      const said = messageOf(error)
      if (said !== this.#told)
        this.#log.error(
          { err: error },
          'cannot read tokens.json; rejecting all token authentication',
        )
      this.#told = said
      const message = 'The coordinator cannot read its tokens: its log says why.'
      throw new AppError('unavailable', message, { cause: error })
    }
  }
}

/**
 * Any page may have a name of its own that leads to this machine, and its browser then takes us for the page's server.
 * Neither an address nor a name without a dot is one that anybody in the internet may give.
 * @throws {AppError} `forbidden`
 */
function refuseOtherHost(asked: string): void {
  const url = `http://${asked}`
  const host = URL.canParse(url) ? hostOf(new URL(url)) : null
  if (host !== null && (isIP(host) !== 0 || isOwnName(host) || /^[\w-]+$/.test(host))) return
  const message =
    'Without a token this is not to be reached by that name, which a page from elsewhere may have, too: use localhost or an address, make a token (morag-coordinator token create), or let everybody in with --insecure-no-auth.'
  throw new AppError('forbidden', message)
}
