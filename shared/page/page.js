// The script of a transcript's page: plays a file of the reader's, follows it, searches. Without it, the page is text.

/** @template {Element} E @param {string} selector @param {new () => E} type @returns {E} */
function found(selector, type) {
  const element = document.querySelector(selector)
  if (!(element instanceof type)) throw new Error(selector)
  return element
}

const player = found('video', HTMLVideoElement)
const chosen = found('input[type=file]', HTMLInputElement)
const search = found('input[type=search]', HTMLInputElement)
const status = found('output', HTMLOutputElement)
const lines = Array.from(document.querySelectorAll('main p'), (element) => {
  const line = /** @type {HTMLElement} */ (element)
  const said = /** @type {HTMLElement} */ (line.lastElementChild)
  return { line, said, start: Number(line.dataset['start']), text: '' }
})
/** The line that is marked, and where the next file begins to play, in seconds. */
let here = -1
let at = 0

/** The last line that begins at or before a time. @param {number} seconds */
function lineAt(seconds) {
  let low = 0
  let high = lines.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((lines[middle]?.start ?? 0) <= seconds) low = middle + 1
    else high = middle
  }
  return low - 1
}

/** @param {number} index @param {ScrollLogicalPosition} block */
function mark(index, block) {
  if (index === here) return
  lines[here]?.line.removeAttribute('aria-current')
  here = index
  lines[here]?.line.setAttribute('aria-current', 'true')
  lines[here]?.line.scrollIntoView({ block })
}

/** Goes to the time of the address, as `#t=198`. */
function go() {
  const seconds = /^#t=(\d+(\.\d+)?)$/.exec(location.hash)?.[1]
  if (seconds === undefined) return
  at = Number(seconds)
  mark(lineAt(at), 'center')
  if (player.hidden) return
  player.currentTime = at
  void player.play().catch(() => undefined)
}

chosen.addEventListener('change', () => {
  const file = chosen.files?.[0]
  if (file === undefined) return
  URL.revokeObjectURL(player.src)
  player.src = URL.createObjectURL(file)
  player.classList.toggle('sound', file.type.startsWith('audio/'))
  player.hidden = false
  player.currentTime = at
})
player.addEventListener('error', () => {
  status.textContent = 'This file cannot be played here.'
})
player.addEventListener('timeupdate', () => {
  // The time of a line, rounded, may be a moment before it.
  mark(lineAt(player.currentTime + 0.05), 'nearest')
})

search.addEventListener('input', () => {
  const wanted = search.value.trim().toLocaleLowerCase()
  /** @type {Range[]} */
  const ranges = []
  let count = 0
  for (const one of lines) {
    one.text ||= (one.said.textContent ?? '').toLocaleLowerCase()
    const place = wanted === '' ? -1 : one.text.indexOf(wanted)
    one.line.hidden = wanted !== '' && place < 0
    if (place < 0) continue
    count += 1
    const text = one.said.firstChild
    // Some letters have another length in lower case.
    if (text === null || one.text.length !== text.textContent?.length) continue
    const range = new Range()
    range.setStart(text, place)
    range.setEnd(text, place + wanted.length)
    ranges.push(range)
  }
  if ('highlights' in CSS) CSS.highlights.set('found', new Highlight(...ranges.slice(0, 10_000)))
  status.textContent = wanted === '' ? '' : `${count} of ${lines.length} lines`
})

addEventListener('hashchange', go)
// A second click on the same time goes there again.
document.addEventListener('click', ({ target }) => {
  if (target instanceof HTMLAnchorElement && target.hash === location.hash) {
    here = -1
    go()
  }
})
go()
