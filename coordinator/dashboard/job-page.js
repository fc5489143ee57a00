import { ask, Refusal } from './api.js'

/** Keeps all about one job, asked for again whenever the stream tells that it has changed. */
export class JobPage {
  #store
  #jobId
  /** What is known was asked for at this. */
  #seen = ''
  #isAsking = false
  /** @type {import('./wire.d.ts').Detail | null} */
  #detail = null
  /** Why there is nothing. @type {string | null} */
  refusal = null

  /** @param {import('./store.js').Store} store @param {string} jobId */
  constructor(store, jobId) {
    this.#store = store
    this.#jobId = jobId
  }

  get jobId() {
    return this.#jobId
  }

  /** With the progress that was told since. @returns {import('./wire.d.ts').Detail | null} */
  get job() {
    const told = this.#store.jobs.get(this.#jobId)
    if (this.#detail === null || told?.status !== this.#detail.status) return this.#detail
    const { stage, progress } = told
    const estimated_completion = told.estimated_completion ?? this.#detail.estimated_completion
    return { ...this.#detail, stage, progress, estimated_completion }
  }

  /** Asks again if something but its progress is new. */
  refresh() {
    const told = this.#store.jobs.get(this.#jobId)
    const {
      stage: _,
      progress: __,
      estimated_completion: ___,
      processed_seconds: ____,
      ...rest
    } = told ?? {}
    const seen = JSON.stringify([this.#store.generation, rest])
    if (seen === this.#seen || this.#isAsking) return
    this.#seen = seen
    void this.#ask()
  }

  async #ask() {
    this.#isAsking = true
    try {
      this.#detail = await ask('GET', `remote-jobs/${encodeURIComponent(this.#jobId)}`)
      this.refusal = null
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (error.status === 404) this.#detail = null
      this.refusal = error.message
    }
    this.#isAsking = false
    this.#store.changed()
  }
}
