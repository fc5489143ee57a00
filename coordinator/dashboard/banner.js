import { act, button } from './act.js'
import { h } from './element.js'
import { plural } from './format.js'
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

/** What needs a person and was not put aside. @param {import('./store.js').Store} store */
export function problemsShown(store) {
  const hidden = new Set(dismissed())
  return problemsOf(store).filter(({ key }) => !hidden.has(key))
}

/**
 * @param {import('./store.js').Store} store
 * @param {boolean} isWhole else only how much there is: whoever reads elsewhere is not to be kept from it
 * @returns {HTMLElement | null} null: all is well
 */
export function banner(store, isWhole) {
  const problems = problemsShown(store)
  if (problems.length === 0) return null
  if (!isWhole) {
    const needs = plural(problems.length, 'thing needs', 'things need')
    return h(
      'p',
      { class: `banner brief ${problems[0]?.grade}`, key: 'banner' },
      h('a', { href: '#/' }, `${needs} a look`),
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
