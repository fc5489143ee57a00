import { act, button, confirmed } from './act.js'
import { h } from './element.js'
import { about, instant, joined } from './format.js'
import { progressBar } from './job-row.js'

/** @param {import('./store.js').Store} store */
export function workersView(store) {
  if (!store.seesAll) {
    const text = 'A token with the role “submit” cannot list workers.'
    return [h('h1', null, 'Workers'), h('p', { class: 'empty' }, text)]
  }
  const workers = [...store.workers.values()].sort(
    (a, b) => rank(store, a) - rank(store, b) || (a.worker_id < b.worker_id ? -1 : 1),
  )
  return [
    h('h1', null, 'Workers'),
    workers.length === 0
      ? noWorkers()
      : h(
          'ul',
          { class: 'cards' },
          workers.map((one) => workerCard(store, one)),
        ),
  ]
}

export function noWorkers() {
  return h(
    'p',
    { class: 'empty' },
    'No workers connected. On a machine with a GPU, run: ',
    h('code', null, 'morag-agent start --url ', location.origin),
  )
}

/** Busy workers first, lost ones last. @param {import('./store.js').Store} store @param {import('./wire.d.ts').Worker} worker */
function rank(store, { worker_id, jobs }) {
  if (store.isLost(worker_id)) return 2
  return jobs.length > 0 ? 0 : 1
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Worker} worker */
export function workerCard(store, worker) {
  const { worker_id, slots, paused, jobs, last_seen_at, set_aside, directive } = worker
  const [state, word] = stateOf(store, worker)
  const path = `workers/${encodeURIComponent(worker_id)}`
  const isDrained = directive !== 'run'
  return h(
    'li',
    { class: 'card', key: worker_id },
    h(
      'div',
      { class: 'head' },
      h('h3', null, h('a', { href: `#/jobs?worker=${encodeURIComponent(worker_id)}` }, worker_id)),
      h('span', { class: `chip ${state}` }, word),
    ),
    h('p', { class: 'sub' }, machineOf(worker)),
    h(
      'p',
      { class: 'sub' },
      joined(
        ' · ',
        `${jobs.length} of ${slots} slots busy`,
        worker.content_types.join(', '),
        `last seen ${about(store.secondsSince(last_seen_at))} ago`,
      ),
    ),
    set_aside !== null &&
      h(
        'p',
        { class: 'warning' },
        `Set aside until ${instant(set_aside.until)}: ${set_aside.reason}`,
      ),
    paused.map(({ slot, reason }) =>
      h('p', { class: 'warning' }, `Slot ${slot} paused: ${reason}`),
    ),
    jobs.length > 0 &&
      h(
        'ul',
        { class: 'current' },
        jobs.map((job) =>
          h(
            'li',
            { key: job.job_id },
            h('a', { href: `#/jobs/${job.job_id}`, dir: 'auto' }, job.filename),
            progressBar(job, job.filename),
          ),
        ),
      ),
    store.isAdmin &&
      h(
        'div',
        { class: 'actions' },
        isDrained || set_aside !== null
          ? button(
              'Resume',
              async () => await act('POST', `${path}/resume`, `${worker_id} accepts jobs again.`),
              { 'aria-label': `Resume ${worker_id}` },
            )
          : button(
              'Drain',
              async () =>
                await act(
                  'POST',
                  `${path}/drain`,
                  `${worker_id} finishes its jobs and gets no new ones.`,
                ),
              { 'aria-label': `Drain ${worker_id}` },
            ),
        store.isLost(worker_id) && removal(worker_id, path),
      ),
  )
}

/** @param {string} id @param {string} path */
function removal(id, path) {
  const remove = async () => {
    const question = `Remove worker ${id} from the list? It reappears if it connects again.`
    if (await confirmed(question, 'Remove')) await act('DELETE', path, `${id} removed.`)
  }
  return button('Remove', remove, { 'aria-label': `Remove ${id}`, class: 'danger', key: 'remove' })
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Worker} worker @returns {[string, string]} */
function stateOf(store, { worker_id, state, set_aside, directive, jobs }) {
  if (store.isLost(worker_id)) return ['lost', 'lost']
  if (set_aside !== null) return ['failed', 'set aside']
  if (state === 'draining' || directive !== 'run')
    return ['draining', jobs.length > 0 ? 'finishing' : 'drained']
  return jobs.length > 0 || state === 'running' ? ['processing', 'busy'] : ['idle', 'idle']
}

/** @param {import('./wire.d.ts').Worker} worker */
function machineOf({ device, devices, capabilities, version }) {
  const name = device ?? devices.map((one) => one.name).join(', ')
  return joined(
    ' · ',
    name,
    capabilities?.engines.join(', ') ?? '',
    capabilities?.models.slice(0, 3).join(', ') ?? '',
    version === null ? 'original protocol' : `version ${version}`,
  )
}
