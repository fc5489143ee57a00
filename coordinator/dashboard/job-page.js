import { ask, Refusal } from './api.js'

/** Keeps all about one job, asked for again whenever the stream tells that it has changed. */
export class JobPage {
  #store
  #jobId
  /** The snapshot since which the stream has told of it; -1: it has not. */
  #toldSince = -1
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
    const estimate_basis = told.estimate_basis ?? this.#detail.estimate_basis ?? null
    return { ...this.#detail, stage, progress, estimated_completion, estimate_basis }
  }

  /** Asks again if something but its progress is new. */
  refresh() {
    const { generation, jobs } = this.#store
    const told = jobs.get(this.#jobId)
    if (told !== undefined) this.#toldSince = generation
    else if (this.#toldSince === generation) return this.#gone()
    const {
      stage: _,
      progress: __,
      estimated_completion: ___,
      estimate_basis: ____,
      processed_seconds: _____,
      ...rest
    } = told ?? {}
    const seen = JSON.stringify([generation, rest])
    if (seen === this.#seen || this.#isAsking) return
    this.#seen = seen
    void this.#ask()
  }

  /** It was removed: there is nothing to ask for. */
  #gone() {
    this.#detail = null
    this.refusal = 'This job is not there any more.'
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
