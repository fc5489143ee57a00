import { ask, Refusal } from './api.js'

/** The details of one job, fetched again after each change that the stream reports. */
export class JobPage {
  #store
  #jobId
  /** The store's generation in which the job was last listed; -1: never. */
  #listedIn = -1
  /** The summary for which the details were fetched. */
  #fetchedFor = ''
  #isFetching = false
  /** @type {import('./wire.d.ts').Detail | null} */
  #detail = null
  /** Why there are no details. @type {string | null} */
  refusal = null

  /** @param {import('./store.js').Store} store @param {string} jobId */
  constructor(store, jobId) {
    this.#store = store
    this.#jobId = jobId
  }

  get jobId() {
    return this.#jobId
  }

  /** The details with the latest progress. @returns {import('./wire.d.ts').Detail | null} */
  get job() {
    const summary = this.#store.jobs.get(this.#jobId)
    if (this.#detail === null || summary?.status !== this.#detail.status) return this.#detail
    const { stage, progress } = summary
    const estimated_completion = summary.estimated_completion ?? this.#detail.estimated_completion
    const estimate_basis = summary.estimate_basis ?? this.#detail.estimate_basis ?? null
    return { ...this.#detail, stage, progress, estimated_completion, estimate_basis }
  }

  /** Fetches the details if more than the progress has changed. */
  refresh() {
    const { generation, jobs } = this.#store
    const summary = jobs.get(this.#jobId)
    if (summary !== undefined) this.#listedIn = generation
    else if (this.#listedIn === generation) return this.#setDeleted()
    const {
      stage: _,
      progress: __,
      estimated_completion: ___,
      estimate_basis: ____,
      processed_seconds: _____,
      ...rest
    } = summary ?? {}
    const current = JSON.stringify([generation, rest])
    if (current === this.#fetchedFor || this.#isFetching) return
    this.#fetchedFor = current
    void this.#fetch()
  }

  #setDeleted() {
    this.#detail = null
    this.refusal = 'This job was deleted.'
  }

  async #fetch() {
    this.#isFetching = true
    try {
      this.#detail = await ask('GET', `remote-jobs/${encodeURIComponent(this.#jobId)}`)
      this.refusal = null
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (error.status === 404) this.#detail = null
      this.refusal = error.message
    }
    this.#isFetching = false
    this.#store.changed()
  }
}
