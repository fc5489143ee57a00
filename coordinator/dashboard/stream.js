import { Refusal, urlOf } from './api.js'

/** A queue event comes at least every 15 s. After this much silence the connection counts as dead. */
const SILENT_MS = 40_000
/** Without a first event by then, a proxy buffers the stream. */
const FIRST_MS = 8_000
const POLL_MS = 4_000
/** The stream is retried after polling for this long. */
const RETRY_MS = 30_000
const EVENTS = ['snapshot', 'job', 'worker', 'queue', 'text']

/** Keeps a store current by the event stream, or by polling while the stream does not work. */
export class Stream {
  #store
  #poll
  /** @type {EventSource | null} */
  #source = null
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #next
  /** Counts closes. The outcome of a poll from before a close is ignored. */
  #closed = 0
  isOpen = false

  /** @param {import('./store.js').Store} store @param {() => Promise<void>} poll fills the store once */
  constructor(store, poll) {
    this.#store = store
    this.#poll = poll
  }

  open() {
    this.close()
    this.isOpen = true
    this.#listen()
  }

  close() {
    this.isOpen = false
    this.#closed += 1
    this.#source?.close()
    this.#source = null
    clearTimeout(this.#silence)
    clearTimeout(this.#next)
  }

  #listen() {
    const source = new EventSource(urlOf('events'))
    this.#source = source
    this.#expectWithin(FIRST_MS)
    for (const name of EVENTS) {
      source.addEventListener(name, ({ data }) => {
        this.#expectWithin(SILENT_MS)
        this.#apply(name, JSON.parse(data))
        if (this.#store.connection !== 'live') this.#store.setConnection('live')
      })
    }
    source.onerror = () => {
      // An EventSource reconnects by itself, unless the request was refused.
      if (source.readyState === EventSource.CLOSED) this.#fallBack()
      else if (this.#store.connection === 'live') {
        // One time limit for all its reconnects.
        this.#expectWithin(FIRST_MS)
        this.#store.setConnection('connecting')
      }
    }
  }

  /** @param {number} ms */
  #expectWithin(ms) {
    clearTimeout(this.#silence)
    this.#silence = setTimeout(() => this.#fallBack(), ms)
  }

  /** @param {string} name @param {any} data */
  #apply(name, data) {
    if (name === 'snapshot') this.#store.snapshot(data)
    else if (name === 'job') this.#store.setJob(data)
    else if (name === 'worker') this.#store.setWorker(data)
    else if (name === 'text') this.#store.addText(data)
    else this.#store.setQueue(data)
  }

  #fallBack() {
    this.#source?.close()
    clearTimeout(this.#silence)
    void this.#pollUntil(Date.now() + RETRY_MS)
  }

  /** @param {number} retryAt when to try the stream again */
  async #pollUntil(retryAt) {
    const closed = this.#closed
    const wasLost = this.#store.connection === 'lost'
    try {
      await this.#poll()
      if (closed !== this.#closed) return
      this.#store.setConnection('polling')
    } catch (error) {
      if (closed !== this.#closed || (error instanceof Refusal && error.status === 401)) return
      this.#store.setConnection('lost')
    }
    // While the coordinator was away the stream had no chance: no reason to poll on once it is back.
    const isDue = wasLost || this.#store.connection === 'lost' || Date.now() >= retryAt
    this.#next = setTimeout(() => (isDue ? this.#listen() : void this.#pollUntil(retryAt)), POLL_MS)
  }
}
