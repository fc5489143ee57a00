/**
 * The current view and its filter, kept in the URL's fragment.
 *
 * @typedef {{ status: string, type: string, worker: string, text: string }} Filter empty: any
 * @typedef {{ view: 'overview' } | { view: 'workers' } | { view: 'usage', days: number } | { view: 'jobs', filter: Filter } | { view: 'job', jobId: string, at: number | null }} Route
 *   `days`: up to today; `at`: where the recording begins to play, in seconds
 */

/** @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view, id] = path.split('/')
  if (view === 'workers') return { view }
  if (view === 'usage') return { view, days: daysIn(new URLSearchParams(query)) }
  if (view !== 'jobs') return { view: 'overview' }
  const asked = new URLSearchParams(query)
  if (id !== undefined && id !== '')
    return { view: 'job', jobId: decoded(id), at: secondsIn(asked) }
  const filter = {
    status: asked.get('status') ?? '',
    type: asked.get('type') ?? '',
    worker: asked.get('worker') ?? '',
    text: asked.get('text') ?? '',
  }
  return { view: 'jobs', filter }
}

/** @param {Filter} filter @returns {string} */
export function jobsHash(filter) {
  const query = new URLSearchParams(Object.entries(filter).filter(([, value]) => value !== ''))
  return query.size === 0 ? '#/jobs' : `#/jobs?${query}`
}

/**
 * The view's fragment for a link into a recording, `/?job=ID#t=198`, as chunks have it: a media fragment
 * (https://www.w3.org/TR/media-frags/); null: no such link.
 *
 * @param {string} search @param {string} hash @returns {string | null}
 */
export function linkedHash(search, hash) {
  const jobId = new URLSearchParams(search).get('job') ?? ''
  if (jobId === '') return null
  const at = secondsIn(new URLSearchParams(hash.replace(/^#/, '')))
  return `#/jobs/${encodeURIComponent(jobId)}${at === null ? '' : `?t=${at}`}`
}

/** @param {URLSearchParams} asked */
function daysIn(asked) {
  const days = Number(asked.get('days'))
  return Number.isInteger(days) && days >= 1 && days <= 366 ? days : 30
}

/** @param {URLSearchParams} asked @returns {number | null} */
function secondsIn(asked) {
  const text = asked.get('t') ?? ''
  return /^\d{1,7}(\.\d+)?$/.test(text) ? Number(text) : null
}

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
