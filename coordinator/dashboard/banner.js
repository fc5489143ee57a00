import { act, button } from './act.js'
import { h } from './element.js'
import { plural } from './format.js'
import { problemsOf } from './problems.js'

/** Dismissed problems, kept until the tab is closed. */
const KEY = 'morag-dismissed'
/** Problems beyond these are collapsed. */
const EXPANDED = 4

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

/** Problems that were not dismissed. @param {import('./store.js').Store} store */
export function problemsShown(store) {
  const hidden = new Set(dismissed())
  return problemsOf(store).filter(({ key }) => !hidden.has(key))
}

/** @param {number} problems */
export function problemCount(problems) {
  return `${plural(problems, 'problem needs', 'problems need')} attention`
}

/**
 * @param {import('./store.js').Store} store
 * @param {boolean} isWhole false: only the number of problems, with a link
 * @returns {HTMLElement | null} null without problems
 */
export function banner(store, isWhole) {
  const problems = problemsShown(store)
  if (problems.length === 0) return null
  if (!isWhole)
    return h(
      'p',
      { class: `banner brief ${problems[0]?.grade}`, key: 'banner' },
      h('a', { href: '#/' }, problemCount(problems.length)),
    )
  const items = problems.map((one) => item(store, one))
  const rest = items.slice(EXPANDED)
  return h(
    'section',
    { class: 'banner', 'aria-labelledby': 'problems', key: 'banner' },
    h('h2', { id: 'problems' }, 'Problems'),
    h('ul', null, items.slice(0, EXPANDED)),
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
        button(fix.label, async () => await act('POST', fix.path, fix.done, {})),
      h(
        'button',
        { type: 'button', class: 'quiet', 'aria-label': `Dismiss: ${text}`, onclick: close },
        'Dismiss',
      ),
    ),
  )
}
