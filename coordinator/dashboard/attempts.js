import { act, button } from './act.js'
import { detail, errorCode } from './detail.js'
import { h } from './element.js'
import { about, instant, joined, plural, span } from './format.js'
import { stepName } from './problems.js'
import { serverAnswer, serverTask } from './server-answer.js'

/** Newest first. @param {import('./store.js').Store} store @param {import('./wire.d.ts').Attempt[]} list */
export function attempts(store, list) {
  if (list.length === 0) return h('p', { class: 'empty' }, 'No attempts yet.')
  return h(
    'ol',
    { class: 'timeline', reversed: true },
    list.toReversed().map((one) => attempt(store, one)),
  )
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Attempt} attempt */
function attempt(
  store,
  { number, worker_id, leased, started_at, ended_at, outcome, error_code, error_message },
) {
  const seconds =
    ended_at === null
      ? store.secondsSince(started_at)
      : (Date.parse(ended_at) - Date.parse(started_at)) / 1000
  return h(
    'li',
    { key: number, class: outcome ?? 'running' },
    h(
      'p',
      null,
      h('b', null, outcome ?? 'running'),
      ` on ${worker_id}${leased ? '' : ' (original protocol)'}`,
    ),
    h(
      'p',
      { class: 'sub' },
      h('time', { datetime: started_at }, instant(started_at)),
      `, ${ended_at === null ? 'for' : 'took'} ${span(seconds)}`,
    ),
    error_message !== null && detail(error_message),
    errorCode(error_code),
  )
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Detail} job */
export function continuation(store, { job_id, continuation: found }) {
  const steps = found?.steps ?? []
  const isDone = steps.every(({ state }) => state === 'done')
  const retry = async () =>
    await act('POST', `remote-jobs/${job_id}/continuation/retry`, 'Retrying.', {})
  return h(
    'div',
    null,
    h(
      'ul',
      { class: 'timeline' },
      steps.map((one) => step(store, one)),
    ),
    store.isAdmin && !isDone && button('Retry now', retry),
  )
}

/** @param {import('./store.js').Store} store @param {import('./wire.d.ts').Steps[number]} step */
function step(store, { step: name, state, tries, next_at, last_at, last_error, task, answer }) {
  const history = joined(
    ' · ',
    tries > 0 ? plural(tries, 'try', 'tries') : '',
    last_at === null ? '' : `last ${about(store.secondsSince(last_at))} ago`,
    next_at === null || state !== 'pending' ? '' : `next in ${about(-store.secondsSince(next_at))}`,
  )
  return h(
    'li',
    { key: name, class: state === 'done' ? 'completed' : state },
    h('p', null, h('b', null, state), ` ${stepName(name)}`),
    h('p', { class: 'sub' }, history),
    last_error !== null && state !== 'done' && detail(last_error),
    task !== null && serverTask(store, task),
    answer !== null && serverAnswer(answer),
  )
}
