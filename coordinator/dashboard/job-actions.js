import { act, button, chosen, confirmed } from './act.js'

/** The buttons of a job, by role and status. @param {import('./store.js').Store} store @param {import('./wire.d.ts').Detail} job */
export function jobActions(store, { job_id, status, source }) {
  const path = `remote-jobs/${job_id}`
  const isOpen = status === 'pending' || status === 'processing'
  /** @param {string} label @param {string} action @param {string} done @param {string} [look] */
  const post = (label, action, done, look) =>
    button(label, async () => await act('POST', `${path}/${action}`, done), {
      key: action,
      class: look,
    })
  const isFailed = !isOpen && status !== 'completed'
  return [
    store.isAdmin && isFailed && post('Retry', 'retry', 'Queued again.', 'main'),
    store.isAdmin &&
      status === 'processing' &&
      post('Requeue', 'reassign', 'Queued again, for any worker.'),
    store.isAdmin && status !== 'completed' && assign(store, path, source.filename),
    store.maySubmit && isOpen && post('Cancel', 'cancel', 'Cancelled.'),
    store.isAdmin && !isOpen && deletion(path, source.filename),
  ]
}

/** @param {string} path @param {string} filename */
function deletion(path, filename) {
  const remove = async () => {
    const question = `Delete ${filename} with its transcript and all its files? This cannot be undone.`
    if (!(await confirmed(question, 'Delete'))) return
    if (await act('DELETE', path, `${filename} deleted.`)) location.hash = '#/jobs'
  }
  return button('Delete', remove, { key: 'delete', class: 'danger' })
}

/** @param {import('./store.js').Store} store @param {string} path @param {string} filename */
function assign(store, path, filename) {
  const workers = [...store.workers.keys()].filter((id) => !store.isLost(id)).sort()
  if (workers.length === 0) return null
  // A dialog, not a select that acts on change: arrow keys would assign every worker on the way.
  const choose = async () => {
    const id = await chosen(`Assign ${filename} to which worker?`, workers, 'Assign')
    if (id === null) return
    await act('POST', `${path}/reassign`, `Assigned to ${id}.`, { worker_id: id })
  }
  return button('Assign to …', choose, { key: 'assign' })
}
