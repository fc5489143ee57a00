import { h } from './element.js'
import { count, position } from './format.js'
import { speakersOf } from './segments.js'
import { speakerName } from './speaker-name.js'

/** More lines would make the page slow. */
const MAX_LINES = 20_000
/** After a reader scrolls, playback does not scroll the lines for this long. */
const READING_MS = 5_000
/** A lower confidence is underlined on request. */
const UNSURE = 0.6

/**
 * The lines of a transcript: the spoken one is marked, a click on one seeks to it. One line is the tab stop; arrow keys move
 * it (roving tabindex).
 */
export class Lines {
  /** @type {import('./wire.d.ts').Segment[]} */
  #segments = []
  #seek
  #rename
  /** @type {HTMLElement[]} */
  #items = []
  /** Where names are shown, by label. @type {Map<string, HTMLElement[]>} */
  #names = new Map()
  #current = -1
  #readingUntil = 0
  follows = true
  element

  /**
   * @param {import('./wire.d.ts').Segment[]} segments
   * @param {((seconds: number) => void) | null} seek null: there is nothing to hear
   * @param {((label: string, name: string) => Promise<void>) | null} rename null: it may not
   */
  constructor(segments, seek, rename) {
    this.#seek = seek
    this.#rename = rename
    const reading = () => (this.#readingUntil = Date.now() + READING_MS)
    this.element = h('ol', {
      class: 'lines',
      'aria-label': 'Transcript lines',
      onwheel: reading,
      ontouchmove: reading,
    })
    this.put(0, segments)
  }

  /**
   * Puts segments in the place of those from a number on. Where the last line was shown, the new one is.
   *
   * @param {number} first
   * @param {import('./wire.d.ts').Segment[]} segments
   */
  put(first, segments) {
    const { element } = this
    const isAtEnd = element.scrollTop + element.clientHeight > element.scrollHeight - 20
    for (const item of this.#items.splice(first)) item.remove()
    const all = [...this.#segments.slice(0, first), ...segments]
    this.#segments = all.slice(0, MAX_LINES)
    const speakers = speakersOf(this.#segments)
    for (let i = first; i < this.#segments.length; i += 1)
      this.#items.push(this.#item(/** @type {any} */ (this.#segments[i]), i, speakers))
    element.append(...this.#items.slice(first))
    if (all.length > MAX_LINES) {
      const text = `Only the first ${count(MAX_LINES)} lines are listed. The downloads are complete.`
      element.querySelector('li.empty')?.remove()
      element.append(h('li', { class: 'empty' }, text))
    }
    if (element.querySelector('.time[tabindex="0"]') === null)
      this.#buttonOf(0)?.setAttribute('tabindex', '0')
    if (isAtEnd) element.scrollTop = element.scrollHeight
  }

  /** Marks the spoken line. @param {number} index -1: none */
  mark(index) {
    if (index === this.#current) return
    const before = this.#items[this.#current]
    before?.removeAttribute('aria-current')
    const now = this.#items[index]
    this.#current = index
    if (now === undefined) return
    now.setAttribute('aria-current', 'true')
    this.#makeTabStop(index)
    if (this.follows && Date.now() > this.#readingUntil) this.#scrollTo(now)
  }

  /** Shows another name for a speaker. @param {string} label @param {string} name */
  showName(label, name) {
    for (const element of this.#names.get(label) ?? []) element.textContent = name
  }

  /**
   * Highlights a text.
   *
   * @param {string} text empty: none
   * @returns {number[]} the lines that contain it
   */
  search(text) {
    const needle = text.toLowerCase()
    /** @type {number[]} */
    const found = []
    for (const [i, segment] of this.#segments.entries()) {
      const element = /** @type {HTMLElement} */ (this.#items[i]?.lastElementChild)
      const hits = needle === '' ? [] : hitsIn(segment.text.toLowerCase(), needle)
      if (hits.length > 0) found.push(i)
      if (hits.length > 0 || element.childElementCount > 0)
        element.replaceChildren(...marked(segment.text, hits, needle.length))
    }
    return found
  }

  /** Scrolls to a line and outlines it. @param {number} index -1: none */
  outline(index) {
    for (const one of this.element.querySelectorAll('.match')) one.classList.remove('match')
    const item = this.#items[index]
    if (item === undefined) return
    this.#readingUntil = Date.now() + READING_MS
    item.classList.add('match')
    this.#makeTabStop(index)
    this.#scrollTo(item)
  }

  /** @param {import('./wire.d.ts').Segment} segment @param {number} index @param {string[]} speakers */
  #item({ start, text, speaker, label, flags, confidence }, index, speakers) {
    const seek = this.#seek
    const onclick = () => {
      // A click that ends a text selection is no seek.
      if (getSelection()?.isCollapsed !== false) seek?.(start)
    }
    const isNew = speaker !== null && this.#segments[index - 1]?.speaker !== speaker
    const tone = label === null ? 0 : speakers.indexOf(label) % 8
    const onkeydown = (/** @type {KeyboardEvent} */ event) => this.#move(event, index)
    return h(
      'li',
      { class: `line s${tone}`, onclick },
      isNew && this.#speaker(speaker, label ?? speaker),
      seek === null
        ? h('span', { class: 'time' }, position(start))
        : h(
            'button',
            {
              type: 'button',
              class: 'time',
              tabindex: -1,
              'aria-label': `Go to ${position(start)}`,
              onkeydown,
            },
            position(start),
          ),
      flags.length > 0 &&
        h('span', { class: 'flags' }, `uncertain: ${flags.join(', ').replaceAll('_', ' ')}`),
      h('span', { class: confidence < UNSURE ? 'words unsure' : 'words', dir: 'auto' }, text),
    )
  }

  /** @param {string} name @param {string} label */
  #speaker(name, label) {
    const rename = this.#rename
    if (rename === null) return h('span', { class: 'speaker', dir: 'auto' }, name)
    const others = this.#names.get(label) ?? []
    const button = speakerName(
      name,
      label,
      others.length === 0,
      (typed) => void rename(label, typed),
    )
    this.#names.set(label, [...others, button])
    return button
  }

  /** @param {KeyboardEvent} event @param {number} index */
  #move(event, index) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (step === undefined) return
    const next = this.#buttonOf(index + step)
    if (next === null) return
    event.preventDefault()
    this.#readingUntil = Date.now() + READING_MS
    this.#makeTabStop(index + step)
    next.focus()
  }

  /** @param {number} index */
  #makeTabStop(index) {
    const next = this.#buttonOf(index)
    if (next === null) return
    this.element.querySelector('.time[tabindex="0"]')?.setAttribute('tabindex', '-1')
    next.setAttribute('tabindex', '0')
  }

  /** @param {number} index @returns {HTMLElement | null} */
  #buttonOf(index) {
    return this.#items[index]?.querySelector('button.time') ?? null
  }

  /** @param {HTMLElement} item */
  #scrollTo(item) {
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
