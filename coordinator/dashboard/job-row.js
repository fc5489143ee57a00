import { h } from './element.js'
import { about, bytes, joined, percent, span } from './format.js'

/** @param {string} status */
export function statusChip(status) {
  return h('span', { class: `chip ${status}` }, status)
}

/** @param {{ stage: string | null, progress: number | null }} job @param {string} label */
export function progressBar({ stage, progress }, label) {
  const value = progress ?? 0
  return h(
    'span',
    { class: 'progress' },
    h('progress', { max: 1, value, 'aria-label': `Progress of ${label}` }, percent(value)),
    h('span', { class: 'stage' }, stage ?? 'claimed', ' ', h('b', null, percent(value))),
  )
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Summary} job */
export function jobRow(store, job) {
  const { job_id, filename, status, content_type, worker_id, created_at } = job
  return h(
    'li',
    { class: 'row', key: job_id },
    statusChip(status),
    h(
      'span',
      { class: 'name' },
      h('a', { href: `#/jobs/${job_id}`, dir: 'auto' }, filename),
      h('span', { class: 'sub' }, subLine(store, job)),
    ),
    h('span', { class: 'kind' }, `${content_type}, ${sizeOf(job)}`),
    h('span', { class: 'worker' }, worker_id ?? ''),
    h(
      'time',
      { datetime: created_at, title: new Date(created_at).toLocaleString() },
      `${about(store.secondsSince(created_at))} ago`,
    ),
  )
}

/** @param {import('./wire.d.ts').Summary} job */
function sizeOf({ media_seconds, size_bytes }) {
  return media_seconds === null ? bytes(size_bytes) : span(media_seconds)
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Summary} job */
function subLine(store, job) {
  const { status, error_message, waiting_for, available_at, retry_count, processing_seconds } = job
  if (status === 'processing') return progressBar(job, job.filename)
  if (status === 'completed')
    return processing_seconds === null ? '' : `processed in ${span(processing_seconds)}`
  if (status !== 'pending') return error_message ?? ''
  if (waiting_for !== null) return `waits for ${waiting_for}`
  const pause = available_at === null ? 0 : -store.secondsSince(available_at)
  const next = pause > 1 ? `starts in ${span(pause)}` : ''
  const attempt = retry_count > 0 ? `attempt ${retry_count + 1}` : ''
  const last = error_message === null ? '' : `last error: ${error_message}`
  return joined(' · ', attempt, next, last)
}
