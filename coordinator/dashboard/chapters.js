import { h } from './element.js'
import { position } from './format.js'

/**
 * The chapters of a result, each of which plays from its beginning; false: it has none.
 *
 * @param {Record<string, unknown>} metadata written freely by workers
 * @param {(seconds: number) => void} seek
 * @returns {HTMLElement | false}
 */
export function chapterList({ chapters }, seek) {
  if (!Array.isArray(chapters)) return false
  const known = /** @type {{ start: unknown, title: unknown }[]} */ (chapters).filter(
    (one) => typeof one?.start === 'number' && typeof one.title === 'string',
  )
  if (known.length === 0) return false
  const items = known.map(({ start, title }) => {
    const at = Number(start)
    const text = `${position(at)} ${String(title)}`
    return h('li', {}, h('button', { type: 'button', onclick: () => seek(at) }, text))
  })
  return h(
    'details',
    {},
    h('summary', {}, `Chapters (${known.length})`),
    h('ul', { class: 'chapters' }, ...items),
  )
}
