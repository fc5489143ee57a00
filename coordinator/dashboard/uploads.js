import { Refusal, upload } from './api.js'
import { h } from './element.js'
import { bytes, percent } from './format.js'
import { say } from './notice.js'

/**
 * Files that are on their way to become jobs, one after the other.
 *
 * @typedef {{ id: number, file: File, part: number, stop: AbortController }} Sending
 */
export class Uploads {
  /** @type {Sending[]} */
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

  /** @param {boolean} isAlone whoever sends one file wants to watch it */
  async #work(isAlone) {
    if (this.#isBusy) return
    this.#isBusy = true
    for (let sending = this.#queue[0]; sending !== undefined; sending = this.#queue[0]) {
      const jobId = await this.#send(sending)
      this.#queue = this.#queue.filter((one) => one !== sending)
      this.#onChange()
      if (jobId === null) continue
      say(`${sending.file.name} is queued.`)
      if (isAlone) location.hash = `#/jobs/${jobId}`
    }
    this.#isBusy = false
  }

  /** @param {Sending} sending @returns {Promise<string | null>} the job's id; null: there is none */
  async #send(sending) {
    const { file, stop } = sending
    if (stop.signal.aborted) return null
    const form = new FormData()
    form.set('content_type', contentTypeOf(file))
    // Last: what is said of it should be known before its first byte.
    form.set('file', file, file.name)
    const onProgress = (/** @type {number} */ part) => {
      sending.part = part
      this.#onChange()
    }
    try {
      return (await upload(form, onProgress, stop.signal)).job_id
    } catch (error) {
      if (!(error instanceof Refusal)) throw error
      if (!stop.signal.aborted) say(`${file.name} was not taken: ${error.message}`, 'bad')
      return null
    }
  }

  /** What is under way. @returns {HTMLElement | null} */
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
                'aria-label': `Stop the upload of ${file.name}`,
                onclick: () => stop.abort(),
              },
              'Stop',
            ),
          ),
        ),
      ),
    )
  }
}

const DOCUMENT = /\.(pdf|txt|md|html?|docx?|odt|rtf|pptx?|xlsx?|csv|epub)$/i
const VIDEO = /\.(mkv|ts|m2ts|mts|flv|avi|wmv|mov|m4v|mpe?g|ogv|3gp)$/i

/** As the browser tells it, or by the name. @param {{ type: string, name: string }} file */
function contentTypeOf({ type, name }) {
  const family = type.split('/')[0]
  if (family === 'audio' || family === 'video' || family === 'image') return family
  if (family === 'text' || DOCUMENT.test(name)) return 'document'
  return VIDEO.test(name) ? 'video' : 'audio'
}
