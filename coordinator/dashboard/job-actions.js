import { act, button, chosen, confirmed } from './act.js'

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
    store.isAdmin && status !== 'completed' && reassignTo(store, path, source.filename),
    store.maySubmit && isOpen && cancel,
    store.isAdmin && !isOpen && away,
  ]
}

/** @param {import('./store.js').Store} store @param {string} path @param {string} filename */
function reassignTo(store, path, filename) {
  const workers = [...store.workers.keys()].filter((id) => !store.isLost(id)).sort()
  if (workers.length === 0) return null
  // Not a list that acts when it changes: arrow keys change it on their way to the one that is meant.
  const give = async () => {
    const id = await chosen(`Keep ${filename} for which worker?`, workers, 'Give it')
    if (id === null) return
    await act('POST', `${path}/reassign`, `It is kept for ${id}.`, { worker_id: id })
  }
  return button('Give it to …', give, { key: 'to' })
}
