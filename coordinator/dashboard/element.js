/**
 * Elements from plain calls. What strangers wrote (file names, errors, transcripts) is only ever a child of type string,
 * and becomes a text node: nothing here reads markup.
 *
 * @typedef {Node | string | number | null | undefined | false} Child
 * @typedef {Child | Child[]} Children
 * @typedef {string | number | boolean | null | undefined} Value
 * @typedef {Record<string, Value | Function>} Props
 *   `on…` is a handler; `key` tells it from its siblings when the page is brought up to date; `mount` is called once when
 *   the element has come into the page, fills it, and may return what ends it; `--…` is a style property; else an attribute.
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
  // Its options have to be there first.
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
