import { h } from './element.js'
import { bytes, instant, span } from './format.js'

/** @param {import('./wire.d.ts').Detail} job */
export function facts(job) {
  const { job_id, ingestion_task_id, content_type, priority, source, created_at, webhook } = job
  /** @type {[string, string | null][]} */
  const rows = [
    ['Type', content_type],
    ['Size', `${bytes(source.size_bytes)}${source.kind === 'path' ? ' (in a media root)' : ''}`],
    ['Address', source.url],
    ['Created', instant(created_at)],
    ...runFacts(job),
    ['Priority', priority === 0 ? null : String(priority)],
    ['Webhook', webhook],
    ['Job ID', job_id],
    ['Task ID', ingestion_task_id === job_id ? null : ingestion_task_id],
    ['SHA-256', source.sha256],
  ]
  const known = rows.flatMap(([name, value]) =>
    value === null ? [] : [h('dt', null, name), h('dd', null, value)],
  )
  return h('dl', { class: 'facts' }, known)
}

/** @param {import('./wire.d.ts').Detail} job @returns {[string, string | null][]} */
function runFacts({ completed_at, worker_id, result, lease, retry_count, max_retries }) {
  const processing = result?.processing_seconds ?? 0
  const length = result?.media_seconds ?? 0
  const speed =
    processing > 0 && length > 0 ? ` (${(length / processing).toFixed(1)}× real time)` : ''
  return [
    ['Ended', completed_at === null ? null : instant(completed_at)],
    ['Deadline', lease === null ? null : instant(lease.deadline_at)],
    ['Worker', worker_id],
    ['Duration', length > 0 ? span(length) : null],
    ['Processing time', processing > 0 ? `${span(processing)}${speed}` : null],
    ['Attempts', retry_count > 0 ? `${retry_count + 1} of ${max_retries + 1}` : null],
  ]
}
