import { act } from './act.js'
import { ask, Refusal, urlOf } from './api.js'
import { chapterList } from './chapters.js'
import { h } from './element.js'
import { count, joined, plural } from './format.js'
import { Lines } from './lines.js'
import { indexAt, segmentsOf, speakersOf } from './segments.js'
import { loudnessOf, waveform } from './waveform.js'

const MAX_WARNINGS = 20
const MAX_WARNING_LENGTH = 600
const FORMATS = [
  'md',
  'json',
  'txt',
  'srt',
  'vtt',
  'html',
  'tsv',
  'lrc',
  'chunks.jsonl',
  'chapters.vtt',
]
/** For results without segments, such as documents. */
const TEXT_FORMATS = FORMATS.slice(0, 3)

/**
 * A player with its transcript.
 *
 * @typedef {object} View
 * @property {number | null} at where it begins to play, in seconds
 * @property {boolean} mayName whether speakers may be named
 *
 * @param {import('./wire.d.ts').Detail} job
 * @param {View} view
 * @returns {(element: HTMLElement) => () => void} a `mount` function
 */
export function transcript(job, view) {
  return (element) => {
    const closing = new AbortController()
    element.append(h('p', { class: 'empty' }, 'Loading the transcript …'))
    void fill(element, job, view, closing.signal)
    return () => closing.abort()
  }
}

/** @param {HTMLElement} element @param {import('./wire.d.ts').Detail} job @param {View} view @param {AbortSignal} signal */
async function fill(element, job, view, signal) {
  try {
    const path = `remote-jobs/${job.job_id}`
    const [result, player] = await Promise.all([ask('GET', `${path}/result`), playerOf(job)])
    if (!signal.aborted) element.replaceChildren(...built(job, result, player, view, signal))
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    const again = () => void fill(element, job, view, signal)
    element.replaceChildren(
      h('p', { class: 'empty' }, error.message),
      h('button', { type: 'button', onclick: again }, 'Try again'),
    )
  }
}

/** @param {import('./wire.d.ts').Detail} job @returns {Promise<HTMLMediaElement | null>} null: no audio or video */
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
 * @param {View} view
 * @param {AbortSignal} signal
 */
function built(job, { content, metadata }, player, { at, mayName }, signal) {
  const segments = segmentsOf(metadata)
  const formats = Array.isArray(metadata.segments) ? FORMATS : TEXT_FORMATS
  const downloads = downloadsOf(job, formats)
  if (segments.length === 0) {
    const text = h('pre', { class: 'text', tabindex: 0, dir: 'auto' }, content)
    return [h('div', { class: 'player' }, player, warningList(metadata), downloads), text]
  }
  const speakers = speakersOf(segments)
  const seconds = secondsOf(job, metadata, segments)
  const seek = (/** @type {number} */ to) => {
    if (player === null) return
    player.currentTime = to
    void player.play().catch(() => undefined)
  }
  const wave = waveform(segments, speakers, seconds, seek)
  const rename = async (/** @type {string} */ label, /** @type {string} */ name) => {
    const done = name === '' ? `${label} has no name now.` : `${label} is ${name}.`
    const isNamed = await act('PUT', `remote-jobs/${job.job_id}/speakers`, done, { [label]: name })
    if (isNamed) lines.showName(label, name || label)
  }
  const lines = new Lines(segments, seek, mayName ? rename : null)
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
  if (at !== null) {
    if (player !== null) player.currentTime = at
    requestAnimationFrame(() => lines.outline(indexAt(segments, at)))
  }
  const noPlayer = h(
    'p',
    { class: 'sub' },
    'No playback: the recording was deleted, or browsers cannot play its format.',
  )
  return [
    h(
      'div',
      { class: 'player' },
      player ?? noPlayer,
      wave.element,
      h('p', { class: 'sub' }, summary(metadata, segments)),
      warningList(metadata),
      chapterList(metadata, seek),
      search(lines),
      followBox(lines),
      segments.some(({ confidence }) => confidence < 1) && unsureBox(lines),
      downloads,
    ),
    lines.element,
  ]
}

/** @param {Record<string, any>} metadata @param {import('./wire.d.ts').Segment[]} segments */
function summary(metadata, segments) {
  const speakers = new Set(segments.flatMap(({ speaker }) => speaker ?? []))
  const { language, engine, word_count } = metadata
  return joined(
    ' · ',
    typeof language === 'string' ? languageName(language) : '',
    engineName(engine?.name, engine?.model),
    speakers.size > 0 ? plural(speakers.size, 'speaker') : '',
    typeof word_count === 'number' ? plural(word_count, 'word') : '',
  )
}

/** `whisper.cpp large-v3`; `moonshine-tiny` names its engine itself. @param {unknown} name @param {unknown} model */
function engineName(name, model) {
  const parts = [name, model].filter((part) => typeof part === 'string')
  return parts.length === 2 && parts[1]?.startsWith(parts[0] ?? '') ? parts[1] : parts.join(' ')
}

/** @param {Record<string, any>} metadata */
function warningList({ warnings, has_speech }) {
  const all = Array.isArray(warnings) ? warnings.filter((one) => typeof one === 'string') : []
  if (has_speech === false && all.length === 0) all.push('No speech detected.')
  const listed = all.slice(0, MAX_WARNINGS).map((one) => one.slice(0, MAX_WARNING_LENGTH))
  const rest = all.length - listed.length
  if (rest > 0) listed.push(`${count(rest)} more warnings in the JSON file.`)
  if (listed.length === 0) return null
  const items = listed.map((one) => h('li', { dir: 'auto' }, one))
  return h('ul', { class: 'warnings', 'aria-label': 'Warnings' }, items)
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
  const reported = typeof duration === 'number' ? duration : (job.result?.media_seconds ?? 0)
  return Math.max(reported, ...segments.slice(-100).map(({ end }) => end))
}

/** @param {import('./wire.d.ts').Detail} job @param {readonly string[]} formats */
function downloadsOf({ job_id, source }, formats) {
  const stem = source.filename.replace(/\.[^.]*$/, '')
  const links = formats.map((format) =>
    h(
      'li',
      null,
      h(
        'a',
        {
          href: urlOf(`remote-jobs/${job_id}/result.${format}`),
          download: `${stem}.${format}`,
          'aria-label': `Download as ${format}`,
        },
        format,
      ),
    ),
  )
  return h(
    'div',
    { class: 'downloads' },
    h('span', { class: 'sub' }, 'Download'),
    h('ul', { 'aria-label': 'Downloads' }, links),
  )
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
    'Scroll with playback',
  )
}

/** @param {Lines} lines */
function unsureBox(lines) {
  const onchange = (/** @type {Event} */ event) => {
    const { checked } = /** @type {HTMLInputElement} */ (event.target)
    lines.element.classList.toggle('marks-unsure', checked)
  }
  return h(
    'label',
    { class: 'follow' },
    h('input', { type: 'checkbox', onchange }),
    'Underline low confidence',
  )
}

/** @param {Lines} lines */
function search(lines) {
  /** @type {number[]} */
  let found = []
  let at = -1
  const status = h('output', { 'aria-live': 'polite' })
  const go = (/** @type {number} */ step) => {
    if (found.length === 0) return
    at = (at + step + found.length) % found.length
    lines.outline(found[at] ?? -1)
    status.textContent = `${at + 1} of ${plural(found.length, 'line')}`
  }
  const oninput = (/** @type {Event} */ event) => {
    const { value } = /** @type {HTMLInputElement} */ (event.target)
    found = lines.search(value.trim())
    at = -1
    status.textContent = value.trim() === '' ? '' : 'no matches'
    lines.outline(-1)
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
      h('span', { class: 'visually-hidden' }, 'Search transcript'),
      h('input', { type: 'search', placeholder: 'Search transcript', oninput, onkeydown }),
    ),
    h('button', { type: 'button', 'aria-label': 'Previous match', onclick: () => go(-1) }, '↑'),
    h('button', { type: 'button', 'aria-label': 'Next match', onclick: () => go(1) }, '↓'),
    status,
  )
}
