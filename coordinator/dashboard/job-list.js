import { ask, Refusal } from './api.js'
import { notify } from './notice.js'
import { byAge } from './store.js'

const PAGE = 50

/**
 * The jobs that match a filter, from the store, as far back as pages were fetched.
 *
 * @typedef {import('./route.js').Filter} Filter
 * @typedef {import('./wire.d.ts').Summary} Summary
 */
export class JobList {
  #store
  /** @type {Filter | null} */
  #filter = null
  #generation = -1
  /** @type {string | null} */
  #cursor = null
  /** The oldest job fetched. @type {Summary | null} */
  #oldest = null
  isWhole = false
  isLoading = false

  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.#store = store
  }

  /** Starts over after a new filter or snapshot. @param {Filter} filter */
  show(filter) {
    const isSame = JSON.stringify(filter) === JSON.stringify(this.#filter)
    if (isSame && this.#generation === this.#store.generation) return
    this.#filter = filter
    this.#generation = this.#store.generation
    this.#cursor = null
    this.#oldest = null
    this.isWhole = false
    void this.more()
  }

  /** Fetches the next page. */
  async more() {
    const filter = this.#filter
    const generation = this.#generation
    if (filter === null) return
    const cursor = this.#cursor === null ? {} : { cursor: this.#cursor }
    const { status, type, worker, text } = filter
    const params = { status, content_type: type, worker_id: worker, text }
    const given = Object.entries(params).filter(([, value]) => value !== '')
    const query = new URLSearchParams({
      limit: String(PAGE),
      ...Object.fromEntries(given),
      ...cursor,
    })
    this.isLoading = true
    try {
      /** @type {import('./wire.d.ts').JobList} */
      const page = await ask('GET', `remote-jobs/?${query}`)
      if (filter !== this.#filter || generation !== this.#generation) return
      // The stream's version of a job is newer.
      for (const job of page.jobs)
        if (!this.#store.jobs.has(job.job_id)) this.#store.jobs.set(job.job_id, job)
      this.#cursor = page.next_cursor
      this.#oldest = page.jobs.at(-1) ?? this.#oldest
      this.isWhole = page.next_cursor === null
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      // A lost connection is shown in the top bar already.
      if (error.status !== 0 || this.#store.connection === 'live') notify(error.message, 'bad')
      this.isWhole = true
    }
    this.isLoading = false
    this.#store.changed()
  }

  /** Newest first. @returns {Summary[]} */
  jobs() {
    const filter = this.#filter
    if (filter === null) return []
    const oldest = this.#oldest
    const found = this.#store.newest().filter((job) => matches(job, filter))
    if (this.isWhole) return found
    // Before the first page arrives.
    if (oldest === null) return found.slice(0, PAGE)
    return found.filter((job) => byAge(job, oldest) <= 0)
  }
}

/** The coordinator's own filter. @param {Summary} job @param {Filter} filter */
function matches(job, { status, type, worker, text }) {
  if (status !== '' && job.status !== status) return false
  if (type !== '' && job.content_type !== type) return false
  if (worker !== '' && job.worker_id !== worker) return false
  if (text === '') return true
  const fields = [job.filename, job.job_id, job.ingestion_task_id, job.error_message ?? '']
  return fields.join('\n').toLowerCase().includes(text.toLowerCase())
}
