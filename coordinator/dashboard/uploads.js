import { ask, Refusal, upload } from './api.js'
import { h } from './element.js'
import { bytes, percent } from './format.js'
import { notify } from './notice.js'

/**
 * Uploads files one after the other; each becomes a job.
 *
 * @typedef {{ id: number, file: File, part: number, stop: AbortController }} Upload
 */
export class Uploads {
  /** @type {Upload[]} */
  #queue = []
  #isBusy = false
  #count = 0
  #onChange

  /** @param {() => void} onChange */
  constructor(onChange) {
    this.#onChange = onChange
  }

  /** @param {Iterable<File>} files */
  add(files) {
    for (const file of files)
      this.#queue.push({ id: (this.#count += 1), file, part: 0, stop: new AbortController() })
    this.#onChange()
    void this.#work(this.#queue.length === 1)
  }

  /** @param {boolean} isAlone the page then shows the new job */
  async #work(isAlone) {
    if (this.#isBusy) return
    this.#isBusy = true
    for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
      const jobId = await this.#send(next)
      this.#queue = this.#queue.filter((one) => one !== next)
      this.#onChange()
      if (jobId === null) continue
      notify(`${next.file.name} is queued.`)
      if (isAlone) location.hash = `#/jobs/${jobId}`
    }
    this.#isBusy = false
  }

  /** @param {Upload} next @returns {Promise<string | null>} the job's id; null after a failure */
  async #send(next) {
    const { file, stop } = next
    if (stop.signal.aborted) return null
    const form = new FormData()
    form.set('content_type', contentTypeOf(file))
    // The file comes last: the coordinator needs the other fields before its first byte.
    form.set('file', file, file.name)
    const onProgress = (/** @type {number} */ part) => {
      next.part = part
      this.#onChange()
    }
    try {
      return (await upload(form, onProgress, stop.signal)).job_id
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (!stop.signal.aborted) notify(`Upload of ${file.name} failed: ${error.message}`, 'bad')
      return null
    }
  }

  /** @returns {HTMLElement | null} null without uploads */
  view() {
    if (this.#queue.length === 0) return null
    return h(
      'section',
      { class: 'uploads', 'aria-label': 'Uploads', key: 'uploads' },
      h(
        'ul',
        null,
        this.#queue.map(({ id, file, part, stop }) =>
          h(
            'li',
            { key: id },
            h('span', { class: 'name', dir: 'auto' }, file.name),
            h('progress', { max: 1, value: part, 'aria-label': `Upload of ${file.name}` }),
            h('span', { class: 'sub' }, `${percent(part)} of ${bytes(file.size)}`),
            h(
              'button',
              {
                type: 'button',
                class: 'quiet',
                'aria-label': `Cancel upload of ${file.name}`,
                onclick: () => stop.abort(),
              },
              'Cancel',
            ),
          ),
        ),
      ),
    )
  }
}

/** Has the coordinator fetch a file; the page then shows the new job. @param {string} url */
export async function submitAddress(url) {
  const { host } = new URL(url)
  notify(`The coordinator asks ${host} for the file.`)
  try {
    const { job_id } = await ask('POST', 'remote-jobs/', { source_url: url })
    location.hash = `#/jobs/${job_id}`
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    notify(`The address is not taken: ${error.message}`, 'bad')
  }
}

const DOCUMENT = /\.(pdf|txt|md|html?|docx?|odt|rtf|pptx?|xlsx?|csv|epub)$/i
const VIDEO = /\.(mkv|ts|m2ts|mts|flv|avi|wmv|mov|m4v|mpe?g|ogv|3gp)$/i

/** By the browser's media type, or by the file's name. @param {{ type: string, name: string }} file */
function contentTypeOf({ type, name }) {
  const family = type.split('/')[0]
  if (family === 'audio' || family === 'video' || family === 'image') return family
  if (family === 'text' || DOCUMENT.test(name)) return 'document'
  return VIDEO.test(name) ? 'video' : 'audio'
}
