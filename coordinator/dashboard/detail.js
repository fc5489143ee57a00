import { h } from './element.js'

/** Text above these limits may scroll on a phone. */
const MAX_LENGTH = 300
const MAX_LINES = 8

/** An error message as a client or worker wrote it. A long one scrolls, so it takes the focus. @param {string} text */
export function detail(text) {
  const isLong = text.length > MAX_LENGTH || text.split('\n').length > MAX_LINES
  return h('p', { class: 'detail', tabindex: isLong ? 0 : null }, text)
}

/** @param {string | null} code */
export function errorCode(code) {
  if (code === null) return null
  return h('p', { class: 'sub' }, 'Error code: ', h('code', null, code))
}
