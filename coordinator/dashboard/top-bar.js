import { act, button } from './act.js'
import { h } from './element.js'

const CONNECTIONS = {
  connecting: 'connecting',
  live: 'live',
  polling: 'polling',
  lost: 'disconnected',
}

/**
 * @param {import('./store.js').Store} store
 * @param {import('./route.js').Route} route
 * @param {(files: File[]) => void} send
 * @param {() => Promise<void>} signIn
 */
export function topBar(store, { view }, send, signIn) {
  const { connection, session } = store
  const links = [
    ['Overview', '#/', view === 'overview'],
    ['Jobs', '#/jobs', view === 'jobs' || view === 'job'],
    ...(store.seesAll ? [['Workers', '#/workers', view === 'workers']] : []),
    ['Usage', '#/usage', view === 'usage'],
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
          if (await act('DELETE', 'session', 'Signed out.')) await signIn()
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
    // Otherwise choosing the same file again is no change.
    input.value = ''
  }
  return h(
    'label',
    { class: 'send', title: 'Choose files, or drop them anywhere on this page' },
    h('input', { type: 'file', class: 'visually-hidden', multiple: true, onchange }),
    h('span', null, 'Upload files'),
  )
}

/** @param {import('./store.js').Store} store */
export function footer({ version, queue, seesAll }) {
  if (queue === null) return []
  return [
    h(
      'p',
      null,
      `MoRAG remote conversion ${version} · `,
      h('a', { href: 'docs' }, 'API'),
      seesAll && [' · ', h('a', { href: 'metrics' }, 'Metrics')],
    ),
  ]
}
