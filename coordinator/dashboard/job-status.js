import { detail, errorCode } from './detail.js'
import { h } from './element.js'
import { joined, span } from './format.js'
import { progressBar } from './job-row.js'
import { isUnserved } from './problems.js'

/**
 * What a job is doing or waiting for, or why it ended; null once it is completed.
 *
 * @typedef {import('./wire.d.ts').Detail} Detail
 * @param {import('./store.js').Store} store
 * @param {Detail} job
 */
export function jobStatus(store, job) {
  switch (job.status) {
    case 'completed':
      return null
    case 'processing':
      return processing(store, job)
    case 'pending':
      return pending(store, job)
    default:
      return ended(job)
  }
}

/** @param {import('./store.js').Store} store @param {Detail} job */
function processing(store, job) {
  const worker = job.worker_id === null ? '' : `Worker ${job.worker_id}`
  const text = joined(' · ', worker, timeLeft(store, job))
  return box('', progressBar(job, job.source.filename), h('p', null, text))
}

/** @param {import('./store.js').Store} store @param {Detail} job */
function pending(store, job) {
  const { available_at, content_type, error_message, queue_position, waiting_for } = job
  const pause = available_at === null ? 0 : -store.secondsSince(available_at)
  const isStuck = store.queue?.types.some(
    (one) => one.content_type === content_type && isUnserved(one),
  )
  const reason = isStuck
    ? `No worker for ${content_type}`
    : waiting_for === null
      ? ''
      : `Waits for ${waiting_for}`
  const text = joined(
    ' · ',
    reason,
    pause > 1 ? `Starts in ${span(pause)}` : '',
    queue_position === null ? '' : `Position ${queue_position} in the queue`,
    // An estimate assumes a worker.
    isStuck ? '' : timeLeft(store, job),
  )
  const last = error_message === null ? null : detail(`Last error: ${error_message}`)
  return box('', h('p', null, text === '' ? 'Queued' : text), last)
}

/** @param {Detail} job */
function ended({ status, error_code, error_message }) {
  const text = status === 'timeout' ? 'Timed out.' : status === 'failed' ? 'Failed.' : 'Cancelled.'
  return box(status, detail(error_message ?? text), errorCode(error_code))
}

/** @param {string} status @param {(HTMLElement | null)[]} children */
function box(status, ...children) {
  return h('div', { class: `job-status ${status}`, key: 'job-status' }, children)
}

/** @param {import('./store.js').Store} store @param {Detail} job */
function timeLeft(store, { estimated_completion, estimate_basis }) {
  if (estimated_completion === null) return ''
  const seconds = -store.secondsSince(estimated_completion)
  if (seconds <= 1) return 'longer than estimated'
  const isGuess = estimate_basis === 'prior'
  return `${isGuess ? 'roughly' : 'about'} ${span(seconds)} left`
}
