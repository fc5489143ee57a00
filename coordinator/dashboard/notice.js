import { h } from './element.js'

const STAYS_MS = 8_000

/**
 * Says what came of something, to eyes and to screen readers.
 *
 * @param {string} text
 * @param {'good' | 'bad'} [grade]
 */
export function say(text, grade = 'good') {
  const place = /** @type {HTMLElement} */ (document.getElementById('notices'))
  const close = () => notice.remove()
  const notice = h(
    'p',
    { class: `notice ${grade}` },
    h('span', null, text),
    h(
      'button',
      { type: 'button', class: 'quiet', 'aria-label': 'Close this notice', onclick: close },
      '×',
    ),
  )
  place.append(notice)
  // What went wrong stays until it has been read.
  if (grade === 'good') setTimeout(close, STAYS_MS)
}

/** Takes back all that was said. */
export function unsay() {
  document.getElementById('notices')?.replaceChildren()
}
