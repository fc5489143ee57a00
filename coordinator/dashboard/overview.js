import { chart } from './chart.js'
import { h } from './element.js'
import { about, count, plural, span } from './format.js'
import { jobRow } from './job-row.js'
import { workerCard } from './workers.js'

const LATEST = 12

/** The first view: how much there is to do, who does it, what came last. @param {import('./store.js').Store} store */
export function overview(store) {
  const { queue } = store
  if (queue === null) return [h('p', { class: 'empty' }, 'Asking the coordinator …')]
  const jobs = store.newest()
  const workers = [...store.workers.values()].filter(({ worker_id }) => !store.isLost(worker_id))
  return [
    h('h1', { class: 'unseen' }, 'Overview'),
    h(
      'section',
      { class: 'queue', 'aria-labelledby': 'queue' },
      h('h2', { id: 'queue' }, 'Queue'),
      tiles(store, queue),
      chart(store.history.samples),
      typesTable(store, queue),
    ),
    store.session?.role !== 'submit' &&
      h(
        'section',
        { 'aria-labelledby': 'workers' },
        h('h2', { id: 'workers' }, h('a', { href: '#/workers' }, 'Workers')),
        workers.length === 0
          ? h(
              'p',
              { class: 'empty' },
              'Nobody is here to do the work. On a machine that has a GPU: ',
              h('code', null, 'morag-agent start --url ', location.origin),
            )
          : h(
              'ul',
              { class: 'cards' },
              workers.slice(0, LATEST).map((one) => workerCard(store, one)),
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
            'There are no jobs yet. Drop a recording anywhere on this page.',
          )
        : h(
            'ol',
            { class: 'rows' },
            jobs.slice(0, LATEST).map((job) => jobRow(store, job)),
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
    tile('pending', 'waiting', counts.pending, waitingLine(store, types)),
    tile(
      'processing',
      'running',
      counts.processing,
      slots > 0 ? `of ${plural(slots, 'slot')}` : '',
    ),
    tile('completed', 'completed', counts.completed, ''),
    tile(
      'failed',
      'failed',
      counts.failed + counts.timeout,
      counts.timeout > 0 &&
        h('a', { href: '#/jobs?status=timeout' }, `${count(counts.timeout)} took too long`),
    ),
  )
}

/**
 * How long the first has waited, and how long all of it will take, where that is known of every type.
 *
 * @param {import('./store.js').Store} store
 * @param {import('./wire.d.ts').Queue['types']} types
 */
function waitingLine(store, types) {
  const oldest = types
    .map((one) => one.oldest_waiting_at)
    .filter((at) => at !== null)
    .sort()[0]
  const open = types.filter(({ counts }) => counts.pending + counts.processing > 0)
  const drains = open.map((one) => one.drain_seconds).filter((one) => one !== null)
  const longest = Math.max(0, ...drains)
  const parts = [
    oldest === undefined ? '' : `oldest ${about(store.secondsSince(oldest))}`,
    drains.length < open.length || longest < 1 ? '' : `all done in about ${span(longest)}`,
  ]
  return parts.filter((part) => part !== '').join(', ')
}

/** @param {string} status @param {string} word @param {number} value @param {import('./element.js').Child} sub */
function tile(status, word, value, sub) {
  return h(
    'li',
    { class: `tile ${status}` },
    h(
      'a',
      { href: `#/jobs?status=${status}` },
      h('b', null, count(value)),
      ' ',
      h('span', null, word),
    ),
    h('span', { class: 'sub' }, sub),
  )
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Queue} queue */
function typesTable(store, { types }) {
  if (types.length === 0) return null
  const head = ['type', 'waiting', 'oldest', 'running', 'workers', 'slots', 'done in about']
  return h(
    'table',
    { class: 'types' },
    h('caption', { class: 'unseen' }, 'The queue by content type'),
    h(
      'thead',
      null,
      h(
        'tr',
        null,
        head.map((name) => h('th', { scope: 'col' }, name)),
      ),
    ),
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
        const drain = open === 0 ? '–' : drain_seconds === null ? 'not known' : span(drain_seconds)
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
