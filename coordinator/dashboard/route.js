/**
 * The current view and its filter, kept in the URL's fragment.
 *
 * @typedef {{ status: string, type: string, worker: string, text: string }} Filter empty: any
 * @typedef {{ view: 'overview' } | { view: 'workers' } | { view: 'jobs', filter: Filter } | { view: 'job', jobId: string }} Route
 */

/** @param {string} hash @returns {Route} */
export function routeOf(hash) {
  const [path = '', query = ''] = hash.replace(/^#\/?/, '').split('?')
  const [view, id] = path.split('/')
  if (view === 'workers') return { view }
  if (view !== 'jobs') return { view: 'overview' }
  if (id !== undefined && id !== '') return { view: 'job', jobId: decoded(id) }
  const asked = new URLSearchParams(query)
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

/** @param {string} text */
function decoded(text) {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
