import { ask, Refusal, urlOf } from './api.js'
import { h } from './element.js'
import { plural } from './format.js'
import { Lines } from './lines.js'
import { indexAt, segmentsOf, speakersOf } from './segments.js'
import { loudnessOf, waveform } from './waveform.js'

/** So many warnings are shown, and so much of each. */
const MOST_REMARKS = 20
const MOST_LETTERS = 600
const FORMS = ['md', 'json', 'txt', 'srt', 'vtt']
/** Of what has no segments, as a document. */
const FORMS_OF_TEXT = FORMS.slice(0, 3)

/**
 * A recording with what was said in it.
 *
 * @param {import('./wire.d.ts').Detail} job
 * @returns {(element: HTMLElement) => () => void} fills an element; what it returns ends it
 */
export function transcript(job) {
  return (element) => {
    const closing = new AbortController()
    element.append(h('p', { class: 'empty' }, 'Fetching the transcript …'))
    void fill(element, job, closing.signal)
    return () => closing.abort()
  }
}

/** @param {HTMLElement} element @param {import('./wire.d.ts').Detail} job @param {AbortSignal} signal */
async function fill(element, job, signal) {
  try {
    const path = `remote-jobs/${job.job_id}`
    const [result, player] = await Promise.all([ask('GET', `${path}/result`), playerOf(job)])
    if (!signal.aborted) element.replaceChildren(...built(job, result, player, signal))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const again = () => void fill(element, job, signal)
    element.replaceChildren(
      h('p', { class: 'empty' }, error.message),
      h('button', { type: 'button', onclick: again }, 'Try again'),
    )
  }
}

/** @param {import('./wire.d.ts').Detail} job @returns {Promise<HTMLMediaElement | null>} null: there is nothing to play */
async function playerOf({ job_id, content_type, source }) {
  const url = urlOf(`remote-jobs/${job_id}/source`)
  const found = await fetch(url, { method: 'HEAD' }).catch(() => null)
  const type = found?.headers.get('content-type') ?? ''
  if (found?.ok !== true || !/^(audio|video)\//.test(type)) return null
  const tag =
    content_type === 'video' || (type.startsWith('video/') && content_type !== 'audio')
      ? 'video'
      : 'audio'
  return /** @type {HTMLMediaElement} */ (
    h(tag, { controls: true, preload: 'metadata', src: url, 'aria-label': source.filename })
  )
}

/**
 * @param {import('./wire.d.ts').Detail} job
 * @param {import('./wire.d.ts').Transcript} result
 * @param {HTMLMediaElement | null} player
 * @param {AbortSignal} signal
 */
function built(job, { content, metadata }, player, signal) {
  const segments = segmentsOf(metadata)
  const downloads = downloadsOf(job, Array.isArray(metadata.segments) ? FORMS : FORMS_OF_TEXT)
  if (segments.length === 0) {
    const text = h('pre', { class: 'text', tabindex: 0, dir: 'auto' }, content)
    return [h('div', { class: 'deck' }, player, remarks(metadata), downloads), text]
  }
  const speakers = speakersOf(segments)
  const seconds = secondsOf(job, metadata, segments)
  const seek = (/** @type {number} */ to) => {
    if (player === null) return
    player.currentTime = to
    void player.play().catch(() => undefined)
  }
  const wave = waveform(segments, speakers, seconds, seek)
  const lines = new Lines(segments, speakers, seek)
  if (player !== null) {
    const follow = () => {
      wave.moveTo(player.currentTime)
      lines.mark(indexAt(segments, player.currentTime))
    }
    player.addEventListener('timeupdate', follow)
    player.addEventListener('seeking', follow)
    void loudnessOf(player.src, { sizeBytes: job.source.size_bytes, seconds }, signal).then(
      (loudness) => loudness !== null && wave.draw(loudness),
    )
  }
  const gone = h(
    'p',
    { class: 'sub' },
    'The recording is not here any more, or is none that a browser plays.',
  )
  return [
    h(
      'div',
      { class: 'deck' },
      player ?? gone,
      wave.element,
      h('p', { class: 'sub' }, about(metadata, speakers)),
      remarks(metadata),
      search(lines),
      followBox(lines),
      downloads,
    ),
    lines.element,
  ]
}

/** @param {Record<string, any>} metadata @param {string[]} speakers */
function about(metadata, speakers) {
  const { language, engine, word_count } = metadata
  const parts = [
    typeof language === 'string' ? languageName(language) : '',
    [engine?.name, engine?.model].filter((part) => typeof part === 'string').join(' '),
    speakers.length > 0 ? plural(speakers.length, 'speaker') : '',
    typeof word_count === 'number' ? plural(word_count, 'word') : '',
  ]
  return parts.filter((part) => part !== '').join(' · ')
}

/**
 * What a reader should know about how the text came about; null: nothing.
 *
 * @param {Record<string, any>} metadata
 */
function remarks({ warnings, has_speech }) {
  const said = Array.isArray(warnings) ? warnings.filter((one) => typeof one === 'string') : []
  if (has_speech === false && said.length === 0) said.push('No speech was found in it.')
  const shown = said.slice(0, MOST_REMARKS).map((one) => one.slice(0, MOST_LETTERS))
  const left = said.length - shown.length
  if (left > 0) shown.push(`${left} more: see the json.`)
  if (shown.length === 0) return null
  const items = shown.map((one) => h('li', { dir: 'auto' }, one))
  return h('ul', { class: 'remarks', 'aria-label': 'Warnings' }, items)
}

/** @param {string} code */
function languageName(code) {
  try {
    return new Intl.DisplayNames(['en'], { type: 'language' }).of(code) ?? code
  } catch {
    return code
  }
}

/**
 * @param {import('./wire.d.ts').Detail} job
 * @param {Record<string, unknown>} metadata
 * @param {import('./wire.d.ts').Segment[]} segments
 */
function secondsOf(job, { duration }, segments) {
  const said = typeof duration === 'number' ? duration : (job.result?.media_seconds ?? 0)
  return Math.max(said, ...segments.slice(-100).map(({ end }) => end))
}

/** @param {import('./wire.d.ts').Detail} job @param {readonly string[]} forms */
function downloadsOf({ job_id, source }, forms) {
  const stem = source.filename.replace(/\.[^.]*$/, '')
  const links = forms.map((form) =>
    h(
      'li',
      null,
      h(
        'a',
        {
          href: urlOf(`remote-jobs/${job_id}/result.${form}`),
          download: `${stem}.${form}`,
          'aria-label': `Download as ${form}`,
        },
        form,
      ),
    ),
  )
  return h('ul', { class: 'downloads', 'aria-label': 'Downloads' }, links)
}

/** @param {Lines} lines */
function followBox(lines) {
  const onchange = (/** @type {Event} */ event) => {
    lines.follows = /** @type {HTMLInputElement} */ (event.target).checked
  }
  return h(
    'label',
    { class: 'follow' },
    h('input', { type: 'checkbox', checked: true, onchange }),
    'Follow along',
  )
}

/** @param {Lines} lines */
function search(lines) {
  /** @type {number[]} */
  let found = []
  let at = -1
  const told = h('output', { 'aria-live': 'polite' })
  const go = (/** @type {number} */ step) => {
    if (found.length === 0) return
    at = (at + step + found.length) % found.length
    lines.show(found[at] ?? -1)
    told.textContent = `${at + 1} of ${plural(found.length, 'line')}`
  }
  const oninput = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target)
    found = lines.search(value.trim())
    at = -1
    told.textContent = value.trim() === '' ? '' : 'nothing found'
    lines.show(-1)
    go(1)
  }
  const onkeydown = (/** @type {KeyboardEvent} */ event) => {
    if (event.key === 'Enter') go(event.shiftKey ? -1 : 1)
  }
  return h(
    'div',
    { class: 'search', role: 'search' },
    h(
      'label',
      null,
      h('span', { class: 'unseen' }, 'Search in the transcript'),
      h('input', { type: 'search', placeholder: 'Search in it', oninput, onkeydown }),
    ),
    h('button', { type: 'button', 'aria-label': 'The one before', onclick: () => go(-1) }, '↑'),
    h('button', { type: 'button', 'aria-label': 'The next one', onclick: () => go(1) }, '↓'),
    told,
  )
}
