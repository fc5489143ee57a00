import { act, button } from './act.js'
import { h } from './element.js'

const CONNECTIONS = {
  connecting: 'connecting',
  live: 'live',
  polling: 'every few seconds',
  lost: 'no connection',
}

/**
 * @param {import('./store.js').Store} store
 * @param {import('./route.js').Route} route
 * @param {(files: File[]) => void} send
 * @param {() => Promise<void>} again finds out who one is
 */
export function topBar(store, { view }, send, again) {
  const { connection, session } = store
  const links = [
    ['Overview', '#/', view === 'overview'],
    ['Jobs', '#/jobs', view === 'jobs' || view === 'job'],
    ...(session?.role === 'submit' ? [] : [['Workers', '#/workers', view === 'workers']]),
  ]
  return [
    h('p', { class: 'brand' }, h('a', { href: '#/' }, 'MoRAG')),
    h(
      'nav',
      { 'aria-label': 'Views' },
      links.map(([name, href, isCurrent]) =>
        h('a', { href, 'aria-current': isCurrent ? 'page' : null }, String(name)),
      ),
    ),
    h('p', { class: `connection ${connection}`, role: 'status' }, CONNECTIONS[connection]),
    store.maySubmit && sendButton(send),
    session?.signed_in === true &&
      button(
        'Sign out',
        async () => {
          if (await act('DELETE', 'session', 'You are signed out.')) await again()
        },
        { class: 'quiet', title: `Signed in as ${session.name} (${session.role})` },
      ),
  ]
}

/** @param {(files: File[]) => void} send */
function sendButton(send) {
  const onchange = (/** @type {Event} */ event) => {
    const input = /** @type {HTMLInputElement} */ (event.target)
    send([...(input.files ?? [])])
    // The same file may be chosen again.
    input.value = ''
  }
  return h(
    'label',
    { class: 'send', title: 'Or drop files anywhere on the page' },
    h('input', { type: 'file', class: 'unseen', multiple: true, onchange }),
    h('span', null, 'Send a file'),
  )
}

/** @param {import('./store.js').Store} store */
export function footer({ version, queue, session }) {
  if (queue === null) return []
  const seesAll = session?.role !== 'submit'
  return [
    h(
      'p',
      null,
      `MoRAG remote conversion ${version} · `,
      h('a', { href: 'docs' }, 'API'),
      seesAll && [' · ', h('a', { href: 'metrics' }, 'metrics')],
    ),
  ]
}
