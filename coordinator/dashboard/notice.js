import { h } from './element.js'

const STAYS_MS = 8_000

/**
 * Shows the outcome of an action, also to screen readers. Failures stay until they are closed.
 *
 * @param {string} text
 * @param {'good' | 'bad'} [grade]
 */
export function notify(text, grade = 'good') {
  const place = /** @type {HTMLElement} */ (document.getElementById('notices'))
  const close = () => notice.remove()
  const notice = h(
    'p',
    { class: `notice ${grade}` },
    h('span', null, text),
    h(
      'button',
      { type: 'button', class: 'quiet', 'aria-label': 'Close notice', onclick: close },
      '×',
    ),
  )
  place.append(notice)
  if (grade === 'good') setTimeout(close, STAYS_MS)
}

export function clearNotices() {
  document.getElementById('notices')?.replaceChildren()
}
