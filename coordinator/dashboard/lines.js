import { h } from './element.js'
import { position } from './format.js'

/** So many lines are shown; more would make the page heavy. */
const MOST = 20_000
/** Whoever scrolls wants to read elsewhere: the transcript follows again after this. */
const READING_MS = 5_000

/**
 * A transcript's lines beside a player: the one that is spoken is marked, and any can be gone to. One line alone is a tab
 * stop; arrow keys go on from there.
 */
export class Lines {
  #segments
  #seek
  /** @type {HTMLElement[]} */
  #items
  #current = -1
  #readingUntil = 0
  follows = true
  element

  /**
   * @param {import('./wire.d.ts').Segment[]} segments
   * @param {string[]} speakers
   * @param {(seconds: number) => void} seek
   */
  constructor(segments, speakers, seek) {
    this.#segments = segments.slice(0, MOST)
    this.#seek = seek
    this.#items = this.#segments.map((one, i) => this.#item(one, i, speakers))
    const reading = () => (this.#readingUntil = Date.now() + READING_MS)
    this.element = h(
      'ol',
      { class: 'lines', 'aria-label': 'What was said', onwheel: reading, ontouchmove: reading },
      this.#items,
    )
    if (segments.length > MOST)
      this.element.append(
        h('li', { class: 'empty' }, 'It goes on: the whole of it is in the files above.'),
      )
    this.#buttonOf(0)?.setAttribute('tabindex', '0')
  }

  /** Marks the line that is spoken. @param {number} index -1: none */
  mark(index) {
    if (index === this.#current) return
    const before = this.#items[this.#current]
    before?.removeAttribute('aria-current')
    const now = this.#items[index]
    this.#current = index
    if (now === undefined) return
    now.setAttribute('aria-current', 'true')
    this.#makeStop(index)
    if (this.follows && Date.now() > this.#readingUntil) this.#reveal(now)
  }

  /**
   * Marks what was searched for.
   *
   * @param {string} text empty: nothing
   * @returns {number[]} the lines that have it
   */
  search(text) {
    const needle = text.toLowerCase()
    /** @type {number[]} */
    const found = []
    for (const [i, { text: said }] of this.#segments.entries()) {
      const place = /** @type {HTMLElement} */ (this.#items[i]?.lastElementChild)
      const hits = needle === '' ? [] : hitsIn(said.toLowerCase(), needle)
      if (hits.length > 0) found.push(i)
      if (hits.length > 0 || place.childElementCount > 0)
        place.replaceChildren(...marked(said, hits, needle.length))
    }
    return found
  }

  /** Shows a line, alone, and lets the keyboard go on from there. @param {number} index -1: none */
  show(index) {
    for (const one of this.element.querySelectorAll('.shown')) one.classList.remove('shown')
    const item = this.#items[index]
    if (item === undefined) return
    this.#readingUntil = Date.now() + READING_MS
    item.classList.add('shown')
    this.#makeStop(index)
    this.#reveal(item)
  }

  /** @param {import('./wire.d.ts').Segment} segment @param {number} index @param {string[]} speakers */
  #item({ start, text, speaker, doubts }, index, speakers) {
    const go = () => {
      // Whoever marks words with the mouse wants to copy them.
      if (getSelection()?.isCollapsed !== false) this.#seek(start)
    }
    const isNew = speaker !== null && this.#segments[index - 1]?.speaker !== speaker
    const tone = speaker === null ? 0 : speakers.indexOf(speaker) % 8
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.#move(event, index)
    return h(
      'li',
      { class: `line s${tone}`, onclick: go },
      isNew && h('span', { class: 'who', dir: 'auto' }, speaker),
      h(
        'button',
        {
          type: 'button',
          class: 'at',
          tabindex: -1,
          'aria-label': `Go to ${position(start)}`,
          onkeydown,
        },
        position(start),
      ),
      doubts.length > 0 && h('span', { class: 'doubt', title: doubts.join(', ') }, 'doubtful'),
      h('span', { class: 'said', dir: 'auto' }, text),
    )
  }

  /** @param {KeyboardEvent} event @param {number} index */
  #move(event, index) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    const next = this.#buttonOf(index + step)
    if (next === null) return
    event.preventDefault()
    this.#readingUntil = Date.now() + READING_MS
    this.#makeStop(index + step)
    next.focus()
  }

  /** @param {number} index */
  #makeStop(index) {
    const next = this.#buttonOf(index)
    if (next === null) return
    this.element.querySelector('[tabindex="0"]')?.setAttribute('tabindex', '-1')
    next.setAttribute('tabindex', '0')
  }

  /** @param {number} index @returns {HTMLElement | null} */
  #buttonOf(index) {
    return this.#items[index]?.querySelector('button') ?? null
  }

  /** @param {HTMLElement} item */
  #reveal(item) {
    const { element } = this
    const isCalm = matchMedia('(prefers-reduced-motion: reduce)').matches
    const top = item.offsetTop - element.offsetTop - element.clientHeight / 3
    element.scrollTo({ top, behavior: isCalm ? 'auto' : 'smooth' })
  }
}

/** @param {string} text @param {string} needle */
function hitsIn(text, needle) {
  const hits = []
  for (let at = text.indexOf(needle); at >= 0; at = text.indexOf(needle, at + needle.length))
    hits.push(at)
  return hits
}

/** @param {string} text @param {number[]} hits @param {number} length */
function marked(text, hits, length) {
  /** @type {(string | Node)[]} */
  const parts = []
  let from = 0
  for (const at of hits) {
    parts.push(text.slice(from, at), h('mark', null, text.slice(at, at + length)))
    from = at + length
  }
  return [...parts, text.slice(from)]
}
