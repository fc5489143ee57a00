import { act, button, confirmed } from './act.js'
import { h } from './element.js'

/** What can be done with a job, by whoever looks. @param {import('./store.js').Store} store @param {import('./wire.d.ts').Detail} job */
export function jobActions(store, { job_id, status, source }) {
  const path = `remote-jobs/${job_id}`
  const isOpen = status === 'pending' || status === 'processing'
  /** @param {string} what @param {string} said */
  const post = (what, said) => async () => await act('POST', `${path}/${what}`, said)
  const remove = async () => {
    const question = `Delete ${source.filename} with its transcript and all its files for good?`
    if (!(await confirmed(question, 'Delete'))) return
    if (await act('DELETE', path, `${source.filename} is deleted.`)) location.hash = '#/jobs'
  }
  const retry = button('Retry', post('retry', 'It is queued again.'), {
    class: 'main',
    key: 'retry',
  })
  const again = button('Reassign', post('reassign', 'It is queued again, for any worker.'), {
    key: 'reassign',
  })
  const cancel = button('Cancel', post('cancel', 'It is cancelled.'), { key: 'cancel' })
  const away = button('Delete', remove, { key: 'delete', class: 'danger' })
  const isFailed = !isOpen && status !== 'completed'
  return [
    store.isAdmin && isFailed && retry,
    store.isAdmin && status === 'processing' && again,
    store.isAdmin && status !== 'completed' && reassignTo(store, path),
    store.maySubmit && isOpen && cancel,
    store.isAdmin && !isOpen && away,
  ]
}

/** @param {import('./store.js').Store} store @param {string} path */
function reassignTo(store, path) {
  const workers = [...store.workers.keys()].filter((id) => !store.isLost(id)).sort()
  if (workers.length === 0) return null
  const onchange = async (/** @type {Event} */ event) => {
    const select = /** @type {HTMLSelectElement} */ (event.target)
    const { value } = select
    select.value = ''
    if (value !== '')
      await act('POST', `${path}/reassign`, `It is kept for ${value}.`, { worker_id: value })
  }
  const options = workers.map((id) => h('option', { value: id }, id))
  return h(
    'select',
    { key: 'to', class: 'to', 'aria-label': 'Give it to a worker', value: '', onchange },
    h('option', { value: '' }, 'Give it to …'),
    options,
  )
}
