import { chart } from './chart.js'
import { h, headOf } from './element.js'
import { about, count, joined, plural, span } from './format.js'
import { jobRow } from './job-row.js'
import { noWorkers, workerCard } from './workers.js'

/** The most jobs and the most workers listed here. */
const MOST = 12

/** The queue, the live workers and the latest jobs. @param {import('./store.js').Store} store */
export function overview(store) {
  const { queue } = store
  if (queue === null) return [h('p', { class: 'empty' }, 'Loading …')]
  const jobs = store.newest()
  const workers = [...store.workers.values()].filter(({ worker_id }) => !store.isLost(worker_id))
  return [
    h('h1', { class: 'visually-hidden' }, 'Overview'),
    h(
      'section',
      { class: 'queue', 'aria-labelledby': 'queue' },
      h('h2', { id: 'queue' }, 'Queue'),
      tiles(store, queue),
      chart(store.history.samples),
      typesTable(store, queue),
    ),
    store.seesAll &&
      h(
        'section',
        { 'aria-labelledby': 'workers' },
        h('h2', { id: 'workers' }, h('a', { href: '#/workers' }, 'Workers')),
        workers.length === 0
          ? noWorkers()
          : h(
              'ul',
              { class: 'cards' },
              workers.slice(0, MOST).map((one) => workerCard(store, one)),
            ),
      ),
    h(
      'section',
      { 'aria-labelledby': 'latest' },
      h('h2', { id: 'latest' }, h('a', { href: '#/jobs' }, 'Latest jobs')),
      jobs.length === 0
        ? h(
            'p',
            { class: 'empty' },
            store.maySubmit
              ? 'No jobs yet. To create one, drop a recording anywhere on this page, or paste the address of one.'
              : 'No jobs yet.',
          )
        : h(
            'ol',
            { class: 'rows' },
            jobs.slice(0, MOST).map((job) => jobRow(store, job)),
          ),
    ),
  ]
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Queue} queue */
function tiles(store, { counts, types }) {
  const slots = [...store.workers.values()]
    .filter(({ worker_id }) => !store.isLost(worker_id))
    .reduce((sum, one) => sum + one.slots, 0)
  return h(
    'ul',
    { class: 'tiles' },
    tile('pending', counts.pending, pendingLine(store, types)),
    tile('processing', counts.processing, slots > 0 ? `of ${plural(slots, 'slot')}` : ''),
    tile('completed', counts.completed, ''),
    tile(
      'failed',
      counts.failed + counts.timeout,
      counts.timeout > 0 &&
        h('a', { href: '#/jobs?status=timeout' }, `${count(counts.timeout)} timed out`),
    ),
  )
}

/**
 * The age of the oldest pending job, and the time until the queue is empty where every type has an estimate.
 *
 * @param {import('./store.js').Store} store
 * @param {import('./wire.d.ts').Queue['types']} types
 */
function pendingLine(store, types) {
  const oldest = types
    .map((one) => one.oldest_waiting_at)
    .filter((at) => at !== null)
    .sort()[0]
  const open = types.filter(({ counts }) => counts.pending + counts.processing > 0)
  const drains = open.map((one) => one.drain_seconds).filter((one) => one !== null)
  const longest = Math.max(0, ...drains)
  return joined(
    ' · ',
    oldest === undefined ? '' : `oldest ${about(store.secondsSince(oldest))}`,
    drains.length < open.length || longest < 1 ? '' : `about ${span(longest)} left`,
  )
}

/** @param {string} status @param {number} value @param {import('./element.js').Child} sub */
function tile(status, value, sub) {
  return h(
    'li',
    { class: `tile ${status}` },
    h(
      'a',
      { href: `#/jobs?status=${status}` },
      h('b', null, count(value)),
      ' ',
      h('span', null, status),
    ),
    h('span', { class: 'sub' }, sub),
  )
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Queue} queue */
function typesTable(store, { types }) {
  if (types.length === 0) return null
  const head = ['type', 'pending', 'oldest', 'processing', 'workers', 'slots', 'time left']
  return h(
    'table',
    { class: 'types' },
    h('caption', { class: 'visually-hidden' }, 'The queue by content type'),
    headOf(head),
    h(
      'tbody',
      null,
      types.map(({ content_type, counts, oldest_waiting_at, workers, slots, drain_seconds }) => {
        const oldest =
          oldest_waiting_at === null ? '–' : about(store.secondsSince(oldest_waiting_at))
        const link = h(
          'a',
          { href: `#/jobs?type=${encodeURIComponent(content_type)}` },
          content_type,
        )
        const open = counts.pending + counts.processing
        const drain = open === 0 ? '–' : drain_seconds === null ? 'unknown' : span(drain_seconds)
        const cells = [
          count(counts.pending),
          oldest,
          count(counts.processing),
          count(workers),
          count(slots),
          drain,
        ]
        return h(
          'tr',
          { key: content_type },
          h('th', { scope: 'row' }, content_type === 'other' ? 'other' : link),
          cells.map((cell, at) => h('td', { 'data-name': head[at + 1] }, cell)),
        )
      }),
    ),
  )
}
