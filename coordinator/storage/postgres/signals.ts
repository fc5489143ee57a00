import { randomUUID } from 'node:crypto'
import pg from 'pg'
import type { Logger } from 'pino'
import { SECOND } from '../../../shared/duration.ts'
import { AppError, messageOf } from '../../../shared/errors.ts'
import { startTimer, waitFor } from '../../../shared/timers.ts'
import type { News, Signals } from '../peers.ts'
import type { Database, Statement } from './database.ts'
import { NewsBatch, newsIn } from './news-batch.ts'

export interface SignalsOptions {
  /** Where news are sent. */
  database: Database
  /** Where they are heard: the same, or past a pooler. */
  direct?: Pick<Database, 'clientConfig'>
  log: Logger
  /** How often it is proved that news arrive. */
  proofMs?: number
  /** How long a proof may take. */
  provedMs?: number
}

const CHANNEL = 'morag'
const NOTIFY: Statement = { name: 'notify', text: `SELECT pg_notify('${CHANNEL}', $1)` }
/** Between two sendings. The first after a silence goes at once. */
const GAP_MS = 30
/** News that only save another coordinator some work. */
const LAZY_MS = 250
const PROOF_MS = 10 * SECOND
const PROVED_MS = 5 * SECOND
const BACKOFF_MS = { first: SECOND, most: 30 * SECOND }

/**
 * News by NOTIFY, in statements of their own: one inside a transaction that writes would take a lock of the whole server.
 * A connection of its own listens, and proves regularly that it hears: one that is half open, or behind a pooler that lends
 * it for a transaction only, hears nothing for ever.
 */
export class PostgresSignals implements Signals {
  /** Names this coordinator among all. */
  readonly id = randomUUID()
  readonly #options: SignalsOptions
  readonly #listeners: ((news: News) => void)[] = []
  readonly #batch = new NewsBatch()
  readonly #closing = new AbortController()
  #timer: NodeJS.Timeout | null = null
  #sendsAt = Infinity
  #sentAt = -Infinity
  #listening: Promise<void> | null = null
  #isListening = false
  #proved: (() => void) | null = null
  #sent = 0
  #received = 0

  constructor(options: SignalsOptions) {
    this.#options = options
  }

  get isListening(): boolean {
    return this.#isListening
  }

  /** Notifications so far, by direction. */
  get counts(): { sent: number; received: number } {
    return { sent: this.#sent, received: this.#received }
  }

  /** Begins to listen. */
  start(): void {
    this.#listening ??= this.#listen()
  }

  emit(news: News): void {
    if (this.#closing.signal.aborted) return
    this.#batch.add(news)
    const now = performance.now()
    this.#sendAt(Math.max(this.#sentAt + GAP_MS, news.about === 'claim' ? now + LAZY_MS : now))
  }

  on(listener: (news: News) => void): void {
    this.#listeners.push(listener)
  }

  /** Sends what is left, and hears nothing more. */
  async close(): Promise<void> {
    this.#closing.abort(new AppError('cancelled', 'The coordinator stops.'))
    if (this.#timer !== null) clearTimeout(this.#timer)
    await this.#send()
    await this.#listening
  }

  #sendAt(at: number): void {
    if (at >= this.#sendsAt) return
    if (this.#timer !== null) clearTimeout(this.#timer)
    this.#sendsAt = at
    this.#timer = startTimer(() => void this.#send(), at - performance.now()).unref()
  }

  async #send(): Promise<void> {
    this.#timer = null
    this.#sendsAt = Infinity
    this.#sentAt = performance.now()
    for (const payload of this.#batch.take(this.id)) {
      try {
        await this.#options.database.query(NOTIFY, [payload])
        this.#sent += 1
      } catch {
        // Who reconnects looks at everything; who did not lose the connection looks each second.
        return
      }
    }
  }

  #tell(news: News): void {
    for (const listener of this.#listeners) listener(news)
  }

  async #listen(): Promise<void> {
    const { signal } = this.#closing
    const { log } = this.#options
    let isFirst = true
    for (let waitMs = BACKOFF_MS.first; !signal.aborted;) {
      try {
        await this.#hear(() => {
          this.#isListening = true
          waitMs = BACKOFF_MS.first
          // What came meanwhile is not known.
          if (!isFirst) this.#tell({ about: 'all' })
          isFirst = false
        })
      } catch (error) {
        const text = 'cannot hear of the changes of other coordinators; looking for them instead'
        if (!signal.aborted && (this.#isListening || isFirst)) {
          log.warn({ reason: messageOf(error) }, text)
          this.#tell({ about: 'all' })
        }
        isFirst = false
      }
      this.#isListening = false
      await waitFor(waitMs, signal)
      waitMs = Math.min(BACKOFF_MS.most, 2 * waitMs)
    }
  }

  /** Listens until that fails, or all is closed. @param onProved called once news arrive. */
  async #hear(onProved: () => void): Promise<void> {
    const { database, direct = database, proofMs = PROOF_MS, provedMs = PROVED_MS } = this.#options
    const { signal } = this.#closing
    const client = new pg.Client({ ...direct.clientConfig(), query_timeout: provedMs })
    const broken = new AbortController()
    const onError = (error: Error): void => broken.abort(error)
    client.on('error', onError)
    client.on('end', () => broken.abort(new Error('The connection has ended.')))
    client.on('notification', ({ payload }) => this.#heard(payload ?? ''))
    const until = AbortSignal.any([signal, broken.signal])
    try {
      await client.connect()
      await client.query(`LISTEN ${CHANNEL}`)
      for (let isProved = false; !until.aborted; await waitFor(proofMs, until)) {
        await this.#prove(until)
        if (!isProved) onProved()
        isProved = true
      }
      if (!signal.aborted) throw broken.signal.reason
    } finally {
      // Also one that does not answer: closing it properly would wait for that.
      client.end().catch(() => undefined)
      ;(
        client as unknown as { connection?: { stream?: { destroy?: () => void } } }
      ).connection?.stream?.destroy?.()
    }
  }

  /**
   * Sends a notification to itself, as others would: over the connection that listens a pooler might bring it back that
   * brings none else.
   * @throws when it does not come back.
   */
  async #prove(until: AbortSignal): Promise<void> {
    const proof = randomUUID()
    const back = new AbortController()
    this.#proved = () => back.abort()
    const waiting = waitFor(
      this.#options.provedMs ?? PROVED_MS,
      AbortSignal.any([until, back.signal]),
    )
    await this.#options.database.query(NOTIFY, [JSON.stringify({ from: this.id, proof })])
    await waiting
    this.#proved = null
    if (!back.signal.aborted && !until.aborted) throw new Error('No notification arrives.')
  }

  #heard(payload: string): void {
    const read = newsIn(payload)
    if (read === null) return
    if (read.from === this.id) return this.#proved?.()
    this.#received += 1
    for (const news of read.news) this.#tell(news)
  }
}
