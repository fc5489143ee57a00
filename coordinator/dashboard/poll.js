import { ask } from './api.js'

/** @typedef {import('./wire.d.ts').Summary} Summary @typedef {import('./wire.d.ts').Worker} Worker */

/**
 * Fills the store without the stream: the newest jobs, the workers, and the queue as computed from both.
 *
 * @param {import('./store.js').Store} store
 */
export async function pollOnce(store) {
  const { seesAll } = store
  const [{ jobs }, { workers }, health] = await Promise.all([
    ask('GET', 'remote-jobs/?limit=200'),
    seesAll ? ask('GET', 'workers') : { workers: [] },
    ask('GET', 'health'),
  ])
  store.version = health.version
  store.polled(jobs, workers, {
    counts: seesAll ? health.jobs : countsOf(jobs, health.jobs),
    types: typesOf(jobs, seesAll ? workers : null, health.jobs, store),
    waiting_claims: health.waiting_claims,
    failure: health.detail,
    disk: store.queue?.disk ?? null,
  })
}

/**
 * @param {Summary[]} jobs
 * @param {Worker[] | null} workers null: this token may not see them
 * @param {import('./wire.d.ts').Queue['counts']} zeros
 * @param {import('./store.js').Store} store
 * @returns {import('./wire.d.ts').Queue['types']}
 */
function typesOf(jobs, workers, zeros, store) {
  const live = workers?.filter(
    ({ last_seen_at }) => store.secondsSince(last_seen_at) * 1000 <= store.workerLostAfterMs,
  )
  return [...new Set(jobs.map((job) => job.content_type))].sort().map((type) => {
    const own = jobs.filter((job) => job.content_type === type)
    const able = live?.filter(({ content_types }) => content_types.includes(type))
    const known = store.queue?.types.find(({ content_type }) => content_type === type)
    const waiting = own.filter(({ status }) => status === 'pending').map((job) => job.created_at)
    return {
      content_type: type,
      counts: countsOf(own, zeros),
      oldest_waiting_at: waiting.sort()[0] ?? null,
      // Without access to the workers, assume one: otherwise the page would report a missing worker.
      workers: able?.length ?? known?.workers ?? 1,
      slots: able?.reduce((sum, { slots }) => sum + slots, 0) ?? known?.slots ?? 1,
      drain_seconds: null,
    }
  })
}

/** @param {Summary[]} jobs @param {import('./wire.d.ts').Queue['counts']} all names the statuses */
function countsOf(jobs, all) {
  const counts = { ...all }
  for (const status of /** @type {Summary['status'][]} */ (Object.keys(all)))
    counts[status] = jobs.filter((job) => job.status === status).length
  return counts
}
