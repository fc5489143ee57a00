import { h } from './element.js'
import { jobRow } from './job-row.js'
import { jobsHash } from './route.js'

const STATUSES = ['pending', 'processing', 'completed', 'failed', 'timeout', 'cancelled']
/** The text filter is applied after a pause in typing. */
const TYPING_PAUSE_MS = 250

/** @type {ReturnType<typeof setTimeout> | undefined} */
let typing

/**
 * @param {import('./store.js').Store} store
 * @param {import('./job-list.js').JobList} list
 * @param {import('./route.js').Filter} filter
 */
export function jobsView(store, list, filter) {
  list.show(filter)
  const jobs = list.jobs()
  return [
    h('h1', null, 'Jobs'),
    filterForm(store, filter),
    jobs.length === 0
      ? h('p', { class: 'empty', key: 'none' }, emptyText(store, list, filter))
      : h(
          'ol',
          { class: 'rows', key: 'rows' },
          jobs.map((job) => jobRow(store, job)),
        ),
    !list.isWhole &&
      jobs.length > 0 &&
      h(
        'button',
        {
          type: 'button',
          class: 'more',
          key: 'more',
          disabled: list.isLoading,
          onclick: () => void list.more(),
        },
        'Show older jobs',
      ),
  ]
}

/** @param {import('./store.js').Store} store @param {import('./job-list.js').JobList} list @param {import('./route.js').Filter} filter */
function emptyText(store, list, filter) {
  if (list.isLoading) return 'Loading …'
  if (store.connection === 'lost') return 'Cannot reach the coordinator.'
  const isFiltered = Object.values(filter).some((value) => value !== '')
  return isFiltered ? 'No jobs match this filter.' : 'No jobs yet.'
}

/** @param {import('./store.js').Store} store @param {import('./route.js').Filter} filter */
function filterForm(store, filter) {
  const types = new Set([...(store.queue?.types.map((one) => one.content_type) ?? []), filter.type])
  const workers = new Set([...store.workers.keys(), filter.worker])
  /** @param {keyof typeof filter} name */
  const change = (name) => (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLSelectElement} */ (event.target)
    location.hash = jobsHash({ ...filter, [name]: value })
  }
  const type = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target)
    clearTimeout(typing)
    // Replaces the URL: each word would otherwise be an entry in the browser's history.
    typing = setTimeout(
      () => location.replace(jobsHash({ ...filter, text: value.trim() })),
      TYPING_PAUSE_MS,
    )
  }
  return h(
    'form',
    {
      class: 'filter',
      role: 'search',
      'aria-label': 'Filter jobs',
      onsubmit: (/** @type {Event} */ event) => event.preventDefault(),
    },
    choice('Status', STATUSES, filter.status, change('status')),
    choice('Type', [...types], filter.type, change('type')),
    store.seesAll && choice('Worker', [...workers], filter.worker, change('worker')),
    h(
      'label',
      null,
      h('span', null, 'Search'),
      h('input', {
        type: 'search',
        value: filter.text,
        placeholder: 'file name, ID, error message',
        maxlength: 200,
        oninput: type,
      }),
    ),
  )
}

/**
 * @param {string} label
 * @param {string[]} values
 * @param {string} value
 * @param {(event: Event) => void} onchange
 */
function choice(label, values, value, onchange) {
  const known = values.filter((one) => one !== '').sort()
  const options = [
    h('option', { value: '' }, 'any'),
    ...known.map((one) => h('option', { value: one }, one)),
  ]
  return h('label', null, h('span', null, label), h('select', { value, onchange }, options))
}
