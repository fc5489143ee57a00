import { h } from './element.js'
import { bytes, instant, span } from './format.js'

/** What a job is, in pairs. @param {import('./wire.d.ts').Detail} job */
export function facts(job) {
  const { job_id, ingestion_task_id, content_type, priority, source, created_at, webhook } = job
  /** @type {[string, string | null][]} */
  const rows = [
    ['Type', content_type],
    ['Size', `${bytes(source.size_bytes)}${source.kind === 'path' ? ', from a media root' : ''}`],
    ['Made', instant(created_at)],
    ...course(job),
    ['Priority', priority === 0 ? null : String(priority)],
    ['Webhook', webhook],
    ['Job', job_id],
    ['Task', ingestion_task_id === job_id ? null : ingestion_task_id],
    ['SHA-256', source.sha256],
  ]
  const known = rows.flatMap(([name, value]) =>
    value === null ? [] : [h('dt', null, name), h('dd', null, value)],
  )
  return h('dl', { class: 'facts' }, known)
}

/** How it went. @param {import('./wire.d.ts').Detail} job @returns {[string, string | null][]} */
function course({ completed_at, worker_id, result, lease, retry_count, max_retries }) {
  const took = result?.processing_seconds ?? 0
  const length = result?.media_seconds ?? 0
  const speed = took > 0 && length > 0 ? `, ${(length / took).toFixed(1)} times real time` : ''
  return [
    ['Ended', completed_at === null ? null : instant(completed_at)],
    ['Deadline', lease === null ? null : instant(lease.deadline_at)],
    ['Worker', worker_id],
    ['Length', length > 0 ? span(length) : null],
    ['Took', took > 0 ? `${span(took)}${speed}` : null],
    ['Tries', retry_count > 0 ? `${retry_count + 1} of ${max_retries + 1}` : null],
  ]
}
