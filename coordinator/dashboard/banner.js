import { act, button } from './act.js'
import { h } from './element.js'
import { problemsOf } from './problems.js'

/** What was put aside, until the browser is closed. */
const KEY = 'morag-dismissed'
/** So many are shown; the rest can be had by unfolding. */
const SHOWN = 4

/** @returns {string[]} */
function dismissed() {
  try {
    return JSON.parse(sessionStorage.getItem(KEY) ?? '[]')
  } catch {
    return []
  }
}

/** @param {string} key */
function dismiss(key) {
  sessionStorage.setItem(KEY, JSON.stringify([...dismissed(), key].slice(-200)))
}

/**
 * @param {import('./store.js').Store} store
 * @param {boolean} isWhole else only how much there is: whoever reads elsewhere is not to be kept from it
 * @returns {HTMLElement | null} null: all is well
 */
export function banner(store, isWhole) {
  const hidden = new Set(dismissed())
  const problems = problemsOf(store).filter(({ key }) => !hidden.has(key))
  if (problems.length === 0) return null
  if (!isWhole) {
    const needs = problems.length === 1 ? 'thing needs a look' : 'things need a look'
    return h(
      'p',
      { class: 'banner brief', key: 'banner' },
      h('a', { href: '#/' }, `${problems.length} ${needs}`),
    )
  }
  const items = problems.map((one) => item(store, one))
  const rest = items.slice(SHOWN)
  return h(
    'section',
    { class: 'banner', 'aria-labelledby': 'needs', key: 'banner' },
    h('h2', { id: 'needs' }, 'Needs a look'),
    h('ul', null, items.slice(0, SHOWN)),
    rest.length > 0 &&
      h('details', null, h('summary', null, `${rest.length} more`), h('ul', null, rest)),
  )
}

/** @param {import('./store.js').Store} store @param {import('./problems.js').Problem} problem */
function item(store, { key, grade, text, detail, link, fix }) {
  const close = () => {
    dismiss(key)
    store.changed()
  }
  return h(
    'li',
    { class: grade, key },
    h(
      'div',
      { class: 'what' },
      h('p', null, link === null ? text : h('a', { href: link }, text)),
      detail !== null && h('p', { class: 'detail' }, detail),
    ),
    h(
      'div',
      { class: 'actions' },
      fix !== null &&
        store.isAdmin &&
        button(fix.label, async () => await act('POST', fix.path, 'Done.', {})),
      h(
        'button',
        { type: 'button', class: 'quiet', 'aria-label': `Dismiss: ${text}`, onclick: close },
        'Dismiss',
      ),
    ),
  )
}
