import { Refusal, urlOf } from './api.js'

/** The queue is told of every 15 seconds: after this much silence the stream is dead, though nobody has said so. */
const SILENT_MS = 40_000
/** A stream that has told nothing for so long is held back by something in between. */
const FIRST_MS = 8_000
const POLL_MS = 4_000
/** While polling, the stream is tried again. */
const AGAIN_MS = 30_000
const EVENTS = ['snapshot', 'job', 'worker', 'queue']

/** Keeps a store up to date: by the stream of events, or while that cannot be had by asking again and again. */
export class Stream {
  #store
  #poll
  /** @type {EventSource | null} */
  #source = null
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #silence
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #next
  /** Counts how often it was closed: what was begun before that is nobody's any more. */
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
        this.#take(name, JSON.parse(data))
        if (this.#store.connection !== 'live') this.#store.setConnection('live')
      })
    }
    source.onerror = () => {
      // It tries again by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED) this.#fallBack()
      else if (this.#store.connection === 'live') {
        // So long for all its tries together: then whoever looks is to know that nothing comes.
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
  #take(name, data) {
    if (name === 'snapshot') this.#store.snapshot(data)
    else if (name === 'job') this.#store.setJob(data)
    else if (name === 'worker') this.#store.setWorker(data)
    else this.#store.setQueue(data)
  }

  #fallBack() {
    this.#source?.close()
    clearTimeout(this.#silence)
    void this.#pollUntil(Date.now() + AGAIN_MS)
  }

  /** @param {number} againAt when the stream is tried again */
  async #pollUntil(againAt) {
    const closed = this.#closed
    try {
      await this.#poll()
      if (closed !== this.#closed) return
      this.#store.setConnection('polling')
    } catch (error) {
      if (closed !== this.#closed || (error instanceof Refusal && error.status === 401)) return
      this.#store.setConnection('lost')
    }
    const isDue = Date.now() >= againAt || this.#store.connection === 'lost'
    this.#next = setTimeout(() => (isDue ? this.#listen() : void this.#pollUntil(againAt)), POLL_MS)
  }
}
