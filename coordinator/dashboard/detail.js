import { h } from './element.js'

/** What surely fits without scrolling, on a phone as well. */
const SHORT = 300
const FEW_LINES = 8

/**
 * What somebody has reported, in their words. What is long scrolls, and then keys have to get there, too.
 *
 * @param {string} text
 */
export function detail(text) {
  const isLong = text.length > SHORT || text.split('\n').length > FEW_LINES
  return h('p', { class: 'detail', tabindex: isLong ? 0 : null }, text)
}
