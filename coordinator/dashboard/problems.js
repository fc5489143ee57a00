import { about, bytes, plural } from './format.js'

/**
 * What needs a person, worst first; nothing while all is well.
 *
 * @typedef {object} Problem
 * @property {string} key the same problem has the same; one that has got worse has another
 * @property {'bad' | 'warn'} grade
 * @property {string} text
 * @property {string | null} detail in the words of whoever reported it
 * @property {string | null} link where more is to be seen
 * @property {{ label: string, path: string } | null} fix what may help, as a POST
 *
 * @typedef {import('./store.js').Store} Store
 */

const GIB = 1024 ** 3
/** So many of one kind are named one by one; more are counted. */
const NAMED = 3
/** A step that has failed so often needs a look, though it is tried again. */
const TRIES = 3

/** @param {Store} store @returns {Problem[]} */
export function problemsOf(store) {
  if (store.queue === null) return []
  const all = [
    ...troubleOf(store.queue),
    ...waitingOf(store, store.queue),
    ...workersOf(store),
    ...failedOf(store, store.queue),
    ...stepsOf(store),
  ]
  return [...all.filter((one) => !isWarning(one)), ...all.filter(isWarning)]
}

/** @param {Problem} problem */
function isWarning({ grade }) {
  return grade === 'warn'
}

/** @param {import('./wire.d.ts').Queue} queue @returns {Problem[]} */
function troubleOf({ failure, disk }) {
  const found = []
  if (failure !== null)
    found.push(
      problem(`failure ${failure}`, 'bad', 'The coordinator has trouble with its disk.', failure),
    )
  if (disk !== null && disk.free_bytes < lowBytes(disk.size_bytes)) {
    const text = `The disk is nearly full: ${bytes(disk.free_bytes)} of ${bytes(disk.size_bytes)} are free.`
    found.push(
      problem('disk', 'warn', text, 'Remove jobs that are no longer needed, or make room there.'),
    )
  }
  return found
}

/** @param {number} sizeBytes */
function lowBytes(sizeBytes) {
  return Math.min(5 * GIB, sizeBytes / 20)
}

/** Whether there is work that nobody takes. @param {import('./wire.d.ts').Queue['types'][number]} type */
export function isUnserved({ counts, workers }) {
  // What is being done is served by somebody: the coordinator itself is no worker.
  return counts.pending > 0 && counts.processing === 0 && workers === 0
}

/** @param {Store} store @param {import('./wire.d.ts').Queue} queue @returns {Problem[]} */
function waitingOf(store, { types }) {
  const found = []
  for (const type of types.filter(isUnserved)) {
    const { content_type, counts, oldest_waiting_at } = type
    const since =
      oldest_waiting_at === null ? '' : `, for ${about(store.secondsSince(oldest_waiting_at))}`
    const verb = counts.pending === 1 ? 'waits' : 'wait'
    const text = `${plural(counts.pending, `${content_type} job`)} ${verb}${since}, and no worker takes ${content_type}.`
    const link = `#/jobs?status=pending&type=${encodeURIComponent(content_type)}`
    found.push(
      problem(`no worker ${content_type}`, 'warn', text, 'Start an agent that takes it.', link),
    )
  }
  const served = new Set(types.filter(({ workers }) => workers > 0).map((one) => one.content_type))
  const picky = store.newest().filter((job) => served.has(job.content_type) && asksForMore(job))
  for (const job of picky.slice(0, NAMED)) {
    const text = `${job.filename} waits for ${job.waiting_for}.`
    found.push(problem(`requires ${job.job_id}`, 'warn', text, null, `#/jobs/${job.job_id}`))
  }
  return found
}

/**
 * Whether a job waits for more than any worker of its type: that there is none is told of its type.
 * @param {{ content_type: string, waiting_for: string | null }} job
 */
function asksForMore({ content_type, waiting_for }) {
  return waiting_for !== null && waiting_for !== `a worker for ${content_type}`
}

/** @param {Store} store @returns {Problem[]} */
function workersOf(store) {
  /** @type {Problem[]} */
  const found = []
  for (const {
    worker_id,
    state,
    jobs,
    last_seen_at,
    set_aside,
    directive,
  } of store.workers.values()) {
    const link = '#/workers'
    if (store.isLost(worker_id)) {
      // One that drained has left on purpose.
      const hasLeft = state === null || state === 'draining' || directive !== 'run'
      if (hasLeft && jobs.length === 0) continue
      const had = jobs.length > 0 ? ` It had ${plural(jobs.length, 'job')}.` : ''
      const text = `Worker ${worker_id} was last heard of ${about(store.secondsSince(last_seen_at))} ago.${had}`
      found.push(problem(`lost ${worker_id} ${last_seen_at}`, 'warn', text, null, link))
    } else if (set_aside !== null) {
      const fix = {
        label: 'Trust it again',
        path: `workers/${encodeURIComponent(worker_id)}/resume`,
      }
      const text = `Worker ${worker_id} is set aside: it gets nothing that another could do.`
      const key = `aside ${worker_id} ${set_aside.until}`
      found.push({ ...problem(key, 'bad', text, set_aside.reason, link), fix })
    }
  }
  return found.slice(0, NAMED * 2)
}

/** @param {Store} store @param {import('./wire.d.ts').Queue} queue @returns {Problem[]} */
function failedOf(store, { counts }) {
  const all = counts.failed + counts.timeout
  const known = store.newest().filter(({ status }) => status === 'failed' || status === 'timeout')
  /** @type {Problem[]} */
  const found = known.slice(0, NAMED).map((job) => {
    const why =
      job.status === 'timeout' && job.error_message === null
        ? 'It took too long.'
        : job.error_message
    const text = `${job.filename} failed for good.`
    const fix = { label: 'Retry', path: `remote-jobs/${job.job_id}/retry` }
    const key = `failed ${job.job_id} ${job.completed_at}`
    return { ...problem(key, 'bad', text, why, `#/jobs/${job.job_id}`), fix }
  })
  const rest = all - found.length
  if (rest > 0) {
    const text = `${plural(rest, found.length > 0 ? 'more job' : 'job')} failed for good.`
    found.push(problem(`failures ${all}`, 'bad', text, null, '#/jobs?status=failed'))
  }
  return found
}

/** @param {Store} store @returns {Problem[]} */
function stepsOf(store) {
  const found = []
  for (const job of store.newest()) {
    const bad = job.continuation?.steps.find(
      ({ state, tries }) => state === 'failed' || (state === 'pending' && tries >= TRIES),
    )
    if (bad === undefined) continue
    const end = bad.state === 'failed' ? 'has been given up' : `has failed ${bad.tries} times`
    const text = `${job.filename}: ${stepName(bad.step)} ${end}.`
    const fix = { label: 'Try again now', path: `remote-jobs/${job.job_id}/continuation/retry` }
    const key = `step ${job.job_id} ${bad.step} ${bad.state}`
    found.push({ ...problem(key, 'bad', text, bad.last_error, `#/jobs/${job.job_id}`), fix })
  }
  return found.slice(0, NAMED)
}

/** @param {string} step */
export function stepName(step) {
  if (step === 'webhook') return 'telling its webhook'
  return step === 'ingest' ? 'handing it to MoRAG' : 'writing it to the folder'
}

/**
 * @param {string} key
 * @param {'bad' | 'warn'} grade
 * @param {string} text
 * @param {string | null} detail
 * @param {string | null} [link]
 * @returns {Problem}
 */
function problem(key, grade, text, detail, link = null) {
  return { key, grade, text, detail, link, fix: null }
}
