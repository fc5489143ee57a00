/**
 * Builds DOM elements. Strings always become text nodes, never markup: file names, errors and transcripts are not trusted.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Child | Child[]} Children
 * @typedef {string | number | boolean | null | undefined} Value
 * @typedef {Record<string, Value | Function>} Props
 *   `on…` is a handler; `key` identifies the element among its siblings across redraws; `mount` is called once after the
 *   element was inserted, fills it, and may return a cleanup function; `--…` is a style property; the rest are attributes.
 * @typedef {{ key: unknown, mount: ((element: HTMLElement) => (() => void) | void) | null, handlers: string[] }} Extra
 */

/** @type {WeakMap<Node, Extra>} */
const extras = new WeakMap()
const SVG = 'http://www.w3.org/2000/svg'

/** @param {string} tag @param {Props | null} [props] @param {Children[]} children */
export function h(tag, props, ...children) {
  return /** @type {HTMLElement} */ (made(document.createElement(tag), props ?? {}, children))
}

/** @param {string} tag @param {Props | null} [props] @param {Children[]} children */
export function svg(tag, props, ...children) {
  return /** @type {SVGElement} */ (made(document.createElementNS(SVG, tag), props ?? {}, children))
}

/** @param {Node} node @returns {Extra | undefined} */
export function extraOf(node) {
  return extras.get(node)
}

/**
 * @param {HTMLElement | SVGElement} element
 * @param {Props} props
 * @param {Children[]} children
 */
function made(element, props, children) {
  const { key = null, mount = null, ...rest } = props
  const handlers = Object.keys(rest).filter((name) => name.startsWith('on'))
  extras.set(element, { key, mount: /** @type {Extra['mount']} */ (mount), handlers })
  for (const [name, value] of Object.entries(rest)) set(element, name, value)
  for (const child of children.flat()) {
    if (child === null || child === undefined || child === false) continue
    element.append(child instanceof Node ? child : String(child))
  }
  // A select takes its value only after its options exist.
  if (element instanceof HTMLSelectElement && 'value' in rest) element.value = String(rest['value'])
  return element
}

/** @param {HTMLElement | SVGElement} element @param {string} name @param {Value | Function} value */
function set(element, name, value) {
  if (value === null || value === undefined || value === false) return
  if (typeof value === 'function') Object.assign(element, { [name]: value })
  else if (name.startsWith('--')) element.style.setProperty(name, String(value))
  else if (name === 'value' && element instanceof HTMLInputElement) element.value = String(value)
  else if (name === 'checked' && element instanceof HTMLInputElement)
    element.checked = value === true
  else element.setAttribute(name, value === true ? '' : String(value))
}

/** The head of a table. @param {readonly string[]} names of its columns */
export function headOf(names) {
  const cells = names.map((name) => h('th', { scope: 'col' }, name))
  return h('thead', null, h('tr', null, cells))
}
