import { attempts, continuation } from './attempts.js'
import { h } from './element.js'
import { facts } from './facts.js'
import { jobActions } from './job-actions.js'
import { statusChip } from './job-row.js'
import { jobStatus } from './job-status.js'
import { readAlong } from './read-along.js'
import { transcript } from './transcript.js'

/**
 * @param {import('./store.js').Store} store
 * @param {import('./job-page.js').JobPage} page
 * @param {number | null} at where the recording begins to play, in seconds
 */
export function jobView(store, page, at) {
  const { job, refusal } = page
  if (job === null) {
    const text = refusal ?? 'Loading …'
    return [h('h1', { class: 'visually-hidden' }, 'Job'), h('p', { class: 'empty' }, text)]
  }
  const { job_id, status, source, completed_at, progress } = job
  const key = `transcript ${job_id} ${completed_at} ${at}`
  return [
    h(
      'header',
      { class: 'job', key: 'job' },
      h(
        'div',
        { class: 'title' },
        h('h1', { dir: 'auto' }, source.filename),
        h('span', { role: 'status' }, statusChip(status)),
      ),
      h('div', { class: 'actions' }, jobActions(store, job)),
    ),
    jobStatus(store, job),
    status === 'processing' &&
      h('section', {
        // Without the stream, it is read again with each progress.
        key: `so far ${job_id} ${store.connection === 'polling' ? progress : store.generation}`,
        class: 'so-far',
        'aria-label': 'Recognised so far',
        mount: readAlong(store, job_id),
      }),
    status === 'completed' &&
      h('section', {
        key,
        class: 'transcript',
        'aria-label': 'Transcript',
        mount: transcript(job, { at, mayName: store.maySubmit }),
      }),
    h(
      'div',
      { class: 'columns', key: 'columns' },
      part('Attempts', attempts(store, job.attempts)),
      part('Details', facts(job)),
    ),
    job.continuation !== null && part('Delivery', continuation(store, job)),
    collapsed('Options', job.task_options),
    job.ingestion !== null && collapsed('Ingestion', job.ingestion),
  ]
}

/** @param {string} title @param {HTMLElement} content */
function part(title, content) {
  return h('section', { 'aria-label': title, key: title }, h('h2', null, title), content)
}

/** @param {string} title @param {Record<string, unknown>} values */
function collapsed(title, values) {
  if (Object.keys(values).length === 0) return null
  const text = h('pre', { tabindex: 0, 'aria-label': title }, JSON.stringify(values, null, 2))
  return h('details', { class: 'options', key: title }, h('summary', null, title), text)
}
