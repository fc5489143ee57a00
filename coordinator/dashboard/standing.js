import { detail } from './detail.js'
import { h } from './element.js'
import { span } from './format.js'
import { progressBar } from './job-row.js'
import { isUnserved } from './problems.js'

/**
 * Where a job stands, in a sentence, and why; nothing once it is completed.
 *
 * @typedef {import('./wire.d.ts').Detail} Detail
 * @param {import('./store.js').Store} store
 * @param {Detail} job
 */
export function standing(store, job) {
  switch (job.status) {
    case 'completed':
      return null
    case 'processing':
      return running(store, job)
    case 'pending':
      return waiting(store, job)
    default:
      return ended(job)
  }
}

/** @param {import('./store.js').Store} store @param {Detail} job */
function running(store, job) {
  const text = `on ${job.worker_id ?? 'a worker'}${endOf(store, job)}`
  return box('', progressBar(job, job.source.filename), h('p', null, text))
}

/** @param {import('./store.js').Store} store @param {Detail} job */
function waiting(store, job) {
  const { available_at, content_type, error_message, queue_position, waiting_for } = job
  const pause = available_at === null ? 0 : -store.secondsSince(available_at)
  const place = queue_position === null ? '' : ` at place ${queue_position} of its queue`
  // When nobody takes it, nobody knows when it ends.
  const unserved = store.queue?.types.some(
    (one) => one.content_type === content_type && isUnserved(one),
  )
  const what = waiting_for === null || unserved ? '' : ` for ${waiting_for}`
  const end = unserved ? `; no worker takes ${content_type}` : endOf(store, job)
  const text = pause > 1 ? `It is tried again in ${span(pause)}.` : `Waits${what}${place}${end}.`
  const why = error_message === null ? null : detail(`Last time: ${error_message}`)
  return box('', h('p', null, text), why)
}

/** @param {Detail} job */
function ended({ status, error_code, error_message }) {
  const text = status === 'timeout' ? 'It took too long.' : `It was ${status}.`
  const code =
    error_code === null ? null : h('p', { class: 'sub' }, 'code ', h('code', null, error_code))
  return box(status, detail(error_message ?? text), code)
}

/** @param {string} grade @param {(HTMLElement | null)[]} children */
function box(grade, ...children) {
  return h('div', { class: `standing ${grade}`, key: 'standing' }, children)
}

/** @param {import('./store.js').Store} store @param {Detail} job */
function endOf(store, { estimated_completion, estimate_basis }) {
  if (estimated_completion === null) return ''
  const seconds = -store.secondsSince(estimated_completion)
  const isGuess = estimate_basis === 'prior'
  return seconds > 1 ? `, done in ${isGuess ? 'perhaps' : 'about'} ${span(seconds)}` : ', done soon'
}
