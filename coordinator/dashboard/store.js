import { ask } from './api.js'
import { History } from './history.js'

/** Above MAX_JOBS only the newest KEPT_JOBS stay in memory. */
const MAX_JOBS = 5_000
const KEPT_JOBS = 500

/**
 * The page's state: events of the stream, and older jobs that a list has fetched.
 *
 * @typedef {import('./wire.d.ts').Summary} Summary
 * @typedef {import('./wire.d.ts').Worker} Worker
 * @typedef {import('./wire.d.ts').Queue} Queue
 * @typedef {import('./wire.d.ts').Session} Session
 * @typedef {import('./wire.d.ts').Text} Text
 * @typedef {'connecting' | 'live' | 'polling' | 'lost'} Connection
 */
export class Store {
  /** @type {Map<string, Summary>} */
  jobs = new Map()
  /** @type {Map<string, Worker>} */
  workers = new Map()
  /** @type {Queue | null} null before the first snapshot */
  queue = null
  /** @type {Session | null} */
  session = null
  /** @type {Connection} */
  connection = 'connecting'
  version = ''
  workerLostAfterMs = 60_000
  history = new History()
  /** Who reads the text of a running job, by its id. @type {Map<string, (text: Text) => void>} */
  #readers = new Map()
  /** Counts snapshots. A list fetched under an earlier one may have gaps. */
  generation = 0
  #clockAheadMs = 0
  /** @type {Summary[] | null} */
  #newest = null
  /** @type {() => void} */
  #onChange

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange
  }

  /** The time in ms by the coordinator's clock, as all timestamps are. */
  now() {
    return Date.now() + this.#clockAheadMs
  }

  /** @param {string} iso */
  secondsSince(iso) {
    return (this.now() - Date.parse(iso)) / 1000
  }

  get isAdmin() {
    return this.session?.role === 'admin'
  }

  get maySubmit() {
    return this.session?.role === 'admin' || this.session?.role === 'submit'
  }

  /** A token with the role `submit` sees only its own jobs, and no workers. */
  get seesAll() {
    return this.session?.role !== 'submit'
  }

  changed() {
    this.#newest = null
    this.#onChange()
  }

  /** Replaces the state. @param {import('./wire.d.ts').Snapshot} event */
  snapshot({ now_at, worker_lost_after_seconds, version, jobs, workers, queue }) {
    this.#clockAheadMs = Date.parse(now_at) - Date.now()
    this.workerLostAfterMs = worker_lost_after_seconds * 1000
    this.version = version
    this.jobs = new Map(jobs.map((job) => [job.job_id, job]))
    this.workers = new Map(workers.map((worker) => [worker.worker_id, worker]))
    this.generation += 1
    this.setQueue(queue)
  }

  /**
   * Takes the answers of a poll.
   *
   * @param {Summary[]} jobs the newest
   * @param {Worker[]} workers all
   * @param {Queue} queue
   */
  polled(jobs, workers, queue) {
    const oldest = jobs.at(-1)
    for (const job of this.jobs.values())
      if (oldest === undefined || byAge(job, oldest) <= 0) this.jobs.delete(job.job_id)
    for (const job of jobs) this.jobs.set(job.job_id, job)
    this.workers = new Map(workers.map((worker) => [worker.worker_id, worker]))
    this.setQueue(queue)
  }

  /** @param {Queue} queue */
  setQueue(queue) {
    this.queue = queue
    this.history.add(queue.counts, this.now())
    this.changed()
  }

  /** @param {Summary | { job_id: string, removed: true }} job */
  setJob(job) {
    if ('removed' in job) this.jobs.delete(job.job_id)
    else this.jobs.set(job.job_id, job)
    this.changed()
    if (this.jobs.size > MAX_JOBS) this.#dropOldest()
  }

  #dropOldest() {
    this.jobs = new Map(
      this.newest()
        .slice(0, KEPT_JOBS)
        .map((job) => [job.job_id, job]),
    )
    this.generation += 1
    this.changed()
  }

  /** @param {Worker | { worker_id: string, removed: true }} worker */
  setWorker(worker) {
    if ('removed' in worker) this.workers.delete(worker.worker_id)
    else this.workers.set(worker.worker_id, worker)
    this.changed()
  }

  /**
   * @param {string} jobId
   * @param {(text: Text) => void} read called with new text of the job
   * @returns {() => void} ends it
   */
  onText(jobId, read) {
    this.#readers.set(jobId, read)
    return () => this.#readers.delete(jobId)
  }

  /** @param {Text} text */
  addText(text) {
    this.#readers.get(text.job_id)?.(text)
  }

  /** @param {Connection} connection */
  setConnection(connection) {
    this.connection = connection
    this.changed()
  }

  /** @param {string} workerId */
  isLost(workerId) {
    const worker = this.workers.get(workerId)
    return (
      worker !== undefined && this.now() - Date.parse(worker.last_seen_at) > this.workerLostAfterMs
    )
  }

  /** Newest first. @returns {Summary[]} */
  newest() {
    this.#newest ??= [...this.jobs.values()].sort(byAge)
    return this.#newest
  }

  clear() {
    this.session = null
    this.queue = null
    this.jobs = new Map()
    this.workers = new Map()
    this.history = new History()
    this.connection = 'connecting'
    this.generation += 1
    this.changed()
  }

  /** @throws {import('./api.js').Refusal} 401 without a valid token */
  async loadSession() {
    this.session = await ask('GET', 'session')
    this.changed()
  }
}

/** Newest first, as the coordinator lists them. @param {Summary} a @param {Summary} b */
export function byAge(a, b) {
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1
  return a.job_id < b.job_id ? 1 : -1
}
