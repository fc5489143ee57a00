import { ask, Refusal } from './api.js'
import { h } from './element.js'
import { Lines } from './lines.js'
import { segmentsOf } from './segments.js'

/**
 * What is recognised of a running job, growing by the stream's events.
 *
 * @param {import('./store.js').Store} store
 * @param {string} jobId
 * @returns {(element: HTMLElement) => () => void} a `mount` function
 */
export function readAlong(store, jobId) {
  return (element) => {
    const lines = new Lines([], null, null)
    let known = 0
    let isOpen = true
    element.hidden = true
    element.append(h('h2', null, 'Recognised so far'), lines.element)
    /** @param {number} first @param {unknown} segments */
    const put = (first, segments) => {
      const found = segmentsOf({ segments })
      known = first + found.length
      element.hidden = known === 0
      lines.put(first, found)
    }
    const read = async () => {
      try {
        const { metadata } = await ask('GET', `remote-jobs/${jobId}/result?partial=true`)
        if (isOpen && metadata.partial === true) put(0, metadata.segments)
      } catch (error) {
        // It has ended, or the next event brings the text.
        if (!(error instanceof Refusal)) throw error
      }
    }
    const end = store.onText(jobId, ({ first, segments }) => {
      if (first > known) void read()
      else put(first, segments)
    })
    void read()
    return () => {
      isOpen = false
      end()
    }
  }
}
