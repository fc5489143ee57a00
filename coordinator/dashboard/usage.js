import { ask, Refusal, urlOf } from './api.js'
import { h, headOf } from './element.js'
import { count, span } from './format.js'

/** @typedef {import('./wire.d.ts').UsageRow} Row */

const RANGES = [1, 7, 30, 90, 365]
const DAY_MS = 86_400_000
/** An older answer is asked for again. */
const STALE_MS = 60_000

/** What tokens have used in the last days. */
export class UsagePage {
  /** @type {Row[] | null} null before the first answer */
  rows = null
  error = ''
  days = 0
  from = ''
  to = ''
  #store
  #askedAt = 0

  /** @param {import('./store.js').Store} store */
  constructor(store) {
    this.#store = store
  }

  /** @param {number} days */
  show(days) {
    const now = this.#store.now()
    const isSame = days === this.days && now - this.#askedAt < STALE_MS
    if (isSame) return
    if (days !== this.days) this.rows = null
    this.days = days
    this.#askedAt = now
    this.to = dayOf(now)
    this.from = dayOf(now - (days - 1) * DAY_MS)
    void this.#load(days)
  }

  clear() {
    this.rows = null
    this.days = 0
  }

  /** @param {number} days */
  async #load(days) {
    const { from, to } = this
    try {
      const { rows } = await ask('GET', `usage?by=token&from=${from}&to=${to}`)
      if (days !== this.days) return
      this.rows = rows
      this.error = ''
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      this.error = error.message
    }
    this.#store.changed()
  }
}

/** @param {UsagePage} page */
export function usageView({ rows, error, days, from, to }) {
  const csv = urlOf(`usage?format=csv&from=${from}&to=${to}`)
  return [
    h('h1', null, 'Usage'),
    h(
      'form',
      { class: 'filter', onsubmit: (/** @type {Event} */ event) => event.preventDefault() },
      h('label', null, h('span', null, 'Created in the last'), range(days)),
    ),
    error !== '' && h('p', { class: 'warning' }, error),
    rows === null || rows.length === 0
      ? h('p', { class: 'empty' }, rows === null ? 'Loading …' : 'No jobs in these days.')
      : usageTable(rows),
    h('p', null, h('a', { href: csv, download: `usage-${from}-${to}.csv` }, 'Each day as CSV')),
    h(
      'p',
      { class: 'sub' },
      'Days are UTC. Work is the time of agents, without their waits for a slot.',
    ),
  ]
}

/** @param {number} days */
function range(days) {
  const onchange = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.target)
    location.hash = `#/usage?days=${value}`
  }
  const ranges = RANGES.includes(days) ? RANGES : [...RANGES, days]
  return h(
    'select',
    { value: String(days), onchange },
    ranges.map((one) => h('option', { value: String(one) }, one === 1 ? 'day' : `${one} days`)),
  )
}

/** @param {Row[]} rows */
function usageTable(rows) {
  const head = ['token', 'jobs', 'completed', 'failed', 'cancelled', 'recordings', 'work']
  const cells = (/** @type {Pick<Row, typeof SUMMED[number]>} */ row) => [
    count(row.jobs),
    count(row.completed),
    count(row.failed),
    count(row.cancelled),
    span(row.media_seconds),
    span(row.work_seconds),
  ]
  const line = (/** @type {string} */ name, /** @type {string[]} */ values) => [
    h('th', { scope: 'row' }, name),
    ...values.map((value, at) => h('td', { 'data-name': head[at + 1] ?? '' }, value)),
  ]
  const sorted = [...rows].sort((a, b) => b.media_seconds - a.media_seconds || b.jobs - a.jobs)
  return h(
    'table',
    { class: 'types' },
    h('caption', { class: 'visually-hidden' }, 'Usage by token'),
    headOf(head),
    h(
      'tbody',
      null,
      sorted.map((row) => {
        const { token_id, name } = row
        return h('tr', { key: token_id ?? '' }, line(name ?? token_id ?? '', cells(row)))
      }),
    ),
    rows.length > 1 && h('tfoot', null, h('tr', null, line('all', cells(sumOf(rows))))),
  )
}

const SUMMED = /** @type {const} */ ([
  'jobs',
  'completed',
  'failed',
  'cancelled',
  'media_seconds',
  'work_seconds',
])

/** @param {Row[]} rows */
function sumOf(rows) {
  const sum = { jobs: 0, completed: 0, failed: 0, cancelled: 0, media_seconds: 0, work_seconds: 0 }
  for (const row of rows) for (const name of SUMMED) sum[name] += row[name]
  return sum
}

/** @param {number} at in ms */
function dayOf(at) {
  return new Date(at).toISOString().slice(0, 10)
}
