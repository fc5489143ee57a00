import { h } from './element.js'
import { about, count, plural, span } from './format.js'

/** @param {import('./store.js').Store} store @param {NonNullable<import('./wire.d.ts').Steps[number]['task']>} task */
export function serverTask(store, { id, since_at }) {
  const since = about(store.secondsSince(since_at))
  const text =
    id === null
      ? `waits for the MoRAG server's callback for ${since}`
      : `the MoRAG server works on its task ${id} for ${since}`
  return h('p', { class: 'sub' }, text)
}

/** The MoRAG server's answer. @param {NonNullable<import('./wire.d.ts').Steps[number]['answer']>} answer */
export function serverAnswer(answer) {
  const { api, task_id, document_id, chunks_processed, total_text_length, databases_used } = answer
  const stages = answer.stages.map(
    ({ stage, status, seconds }) => `${stage} ${status}${seconds > 0 ? ` (${span(seconds)})` : ''}`,
  )
  /** @type {[string, string | null][]} */
  const rows = [
    ['Chunks', chunks_processed === null ? null : count(chunks_processed)],
    ['Text', total_text_length === null ? null : plural(total_text_length, 'character')],
    ['Databases', databases_used === null ? null : databases_used.join(', ') || 'none'],
    ['Document', document_id],
    ['Stages', stages.length === 0 ? null : stages.join(', ')],
    ...answer.warnings.map((warning) => /** @type {[string, string]} */ (['Warning', warning])),
    ['Task', task_id],
    ['API', api],
  ]
  const known = rows.flatMap(([name, value]) =>
    value === null ? [] : [h('dt', null, name), h('dd', null, value)],
  )
  const facts = h('dl', { class: 'facts' }, known)
  return h('div', { role: 'group', 'aria-label': 'Answer of the MoRAG server' }, facts)
}
