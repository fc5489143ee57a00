import { attempts, continuation } from './attempts.js'
import { h } from './element.js'
import { facts } from './facts.js'
import { jobActions } from './job-actions.js'
import { statusChip } from './job-row.js'
import { standing } from './standing.js'
import { transcript } from './transcript.js'

/**
 * One job: what it is, how it went, what can be done with it, and what came of it.
 *
 * @param {import('./store.js').Store} store
 * @param {import('./job-page.js').JobPage} page
 */
export function jobView(store, page) {
  const { job, refusal } = page
  if (job === null) {
    const text = refusal ?? 'Asking the coordinator …'
    return [h('h1', { class: 'unseen' }, 'Job'), h('p', { class: 'empty' }, text)]
  }
  const { job_id, status, source, completed_at } = job
  const key = `transcript ${job_id} ${completed_at}`
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
    standing(store, job),
    status === 'completed' &&
      h('section', {
        key,
        class: 'transcript',
        'aria-label': 'Transcript',
        mount: transcript(job),
      }),
    h(
      'div',
      { class: 'columns', key: 'columns' },
      part('Attempts', attempts(store, job.attempts)),
      part('About', facts(job)),
    ),
    job.continuation !== null && part('What follows', continuation(store, job)),
    unfolding('Options', job.task_options),
    job.ingestion !== null && unfolding('Ingestion', job.ingestion),
  ]
}

/** @param {string} title @param {HTMLElement} content */
function part(title, content) {
  return h('section', { 'aria-label': title, key: title }, h('h2', null, title), content)
}

/** @param {string} title @param {Record<string, unknown>} values */
function unfolding(title, values) {
  if (Object.keys(values).length === 0) return null
  const text = h('pre', { tabindex: 0, 'aria-label': title }, JSON.stringify(values, null, 2))
  return h('details', { class: 'options', key: title }, h('summary', null, title), text)
}
