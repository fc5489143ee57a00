import { extraOf } from './element.js'

/** Mounted elements with their cleanup functions. @type {Map<HTMLElement, (() => void) | void>} */
const mounted = new Map()

/** Attributes that a user's action sets; a redraw keeps them. */
const KEPT = new Set(['open', 'style', 'aria-busy'])

/**
 * Updates the children of `root` in place. Elements that stay keep their focus, scroll position and input.
 *
 * @param {HTMLElement} root
 * @param {import('./element.js').Child[]} wanted
 */
export function render(root, wanted) {
  const fresh = document.createElement('div')
  for (const child of wanted) {
    if (child instanceof Node) fresh.append(child)
    else if (child !== null && child !== undefined && child !== false) fresh.append(String(child))
  }
  morphChildren(root, fresh)
  for (const [element, end] of mounted) {
    if (element.isConnected) continue
    mounted.delete(element)
    end?.()
  }
  mountIn(root)
}

/** @param {HTMLElement} root */
function mountIn(root) {
  for (const element of root.querySelectorAll('*')) {
    const mount = extraOf(element)?.mount
    if (mount && element instanceof HTMLElement && !mounted.has(element)) {
      mounted.set(element, undefined)
      mounted.set(element, mount(element))
    }
  }
}

/** @param {Node} a @param {Node} b */
function isSame(a, b) {
  return a.nodeName === b.nodeName && keyOf(a) === keyOf(b)
}

/** @param {Node} node */
function keyOf(node) {
  return extraOf(node)?.key ?? null
}

/** @param {Element} from @param {Element} to */
function morphChildren(from, to) {
  const wanted = [...to.childNodes]
  const keys = new Set(wanted.map(keyOf).filter((key) => key !== null))
  /** @type {Map<unknown, ChildNode>} */
  const known = new Map()
  for (const child of Array.from(from.childNodes)) {
    const key = keyOf(child)
    if (key === null) continue
    // Removed first, so that the remaining elements need not move.
    if (keys.has(key)) known.set(key, child)
    else child.remove()
  }
  let cursor = from.firstChild
  for (const child of wanted) {
    const key = keyOf(child)
    const found = key === null ? cursor : (known.get(key) ?? null)
    if (found === null || !isSame(found, child)) {
      from.insertBefore(child, cursor)
      continue
    }
    if (found === cursor) cursor = cursor.nextSibling
    else from.insertBefore(found, cursor)
    morph(found, child)
  }
  while (cursor !== null) {
    const next = cursor.nextSibling
    cursor.remove()
    cursor = next
  }
}

/** @param {ChildNode} from @param {ChildNode} to */
function morph(from, to) {
  if (!(from instanceof Element) || !(to instanceof Element)) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue
    return
  }
  // Mounted elements manage their own children.
  if (extraOf(to)?.mount) return
  morphAttributes(from, to)
  morphHandlers(from, to)
  morphChildren(from, to)
  morphValue(from, to)
}

/** @param {Element} from @param {Element} to */
function morphAttributes(from, to) {
  for (const { name } of Array.from(from.attributes)) {
    if (!KEPT.has(name) && !to.hasAttribute(name)) from.removeAttribute(name)
  }
  for (const { name, value } of to.attributes) {
    if (!KEPT.has(name) && from.getAttribute(name) !== value) from.setAttribute(name, value)
  }
  // The Content-Security-Policy forbids style attributes, but not the style object.
  const mine = /** @type {HTMLElement} */ (from).style
  const theirs = /** @type {HTMLElement} */ (to).style
  if (mine.cssText !== theirs.cssText) mine.cssText = theirs.cssText
}

/** @param {Element} from @param {Element} to */
function morphHandlers(from, to) {
  const [mine, theirs] = [extraOf(from), extraOf(to)]
  if (mine === undefined || theirs === undefined) return
  for (const name of mine.handlers)
    if (!theirs.handlers.includes(name)) Object.assign(from, { [name]: null })
  for (const name of theirs.handlers)
    Object.assign(from, {
      [name]: /** @type {Record<string, any>} */ (/** @type {unknown} */ (to))[name],
    })
  mine.handlers = theirs.handlers
}

/** @param {Element} from @param {Element} to */
function morphValue(from, to) {
  if (from === document.activeElement) return
  if (from instanceof HTMLSelectElement && to instanceof HTMLSelectElement) from.value = to.value
  if (!(from instanceof HTMLInputElement && to instanceof HTMLInputElement)) return
  if (from.type !== 'file' && from.value !== to.value) from.value = to.value
  from.checked = to.checked
}
