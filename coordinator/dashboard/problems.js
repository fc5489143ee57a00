import { about, bytes, plural } from './format.js'

/**
 * Conditions that an operator should act on, worst first.
 *
 * @typedef {object} Problem
 * @property {string} key identifies it for `Dismiss`; a problem that got worse has another
 * @property {'bad' | 'warn'} grade
 * @property {string} text
 * @property {string | null} detail the reported error, or advice
 * @property {string | null} link
 * @property {{ label: string, path: string, done: string } | null} fix a POST, and the notice after it
 *
 * @typedef {import('./store.js').Store} Store
 */

const GIB = 1024 ** 3
/** The most problems of one kind that are listed one by one. */
const LISTED = 3
/** A step that is still retried is a problem from this number of tries on. */
const PROBLEM_TRIES = 3

/** @param {Store} store @returns {Problem[]} */
export function problemsOf(store) {
  if (store.queue === null) return []
  const all = [
    ...diskProblems(store.queue),
    ...pendingProblems(store, store.queue),
    ...workerProblems(store),
    ...failedJobs(store, store.queue),
    ...failedSteps(store),
  ]
  return [...all.filter((one) => !isWarning(one)), ...all.filter(isWarning)]
}

/** @param {Problem} problem */
function isWarning({ grade }) {
  return grade === 'warn'
}

/** @param {import('./wire.d.ts').Queue} queue @returns {Problem[]} */
function diskProblems({ failure, disk }) {
  const found = []
  if (failure !== null) {
    const text = 'The coordinator cannot write to its data directory.'
    found.push(problem(`failure ${failure}`, 'bad', text, failure))
  }
  if (disk !== null && disk.free_bytes < lowBytes(disk.size_bytes)) {
    const text = `Disk almost full: ${bytes(disk.free_bytes)} of ${bytes(disk.size_bytes)} free.`
    found.push(problem('disk', 'warn', text, 'Delete old jobs, or free disk space.'))
  }
  return found
}

/** @param {number} sizeBytes */
function lowBytes(sizeBytes) {
  return Math.min(5 * GIB, sizeBytes / 20)
}

/** Whether jobs of a type wait without a worker. @param {import('./wire.d.ts').Queue['types'][number]} type */
export function isUnserved({ counts, workers }) {
  // The coordinator processes some types itself, and is not listed as a worker.
  return counts.pending > 0 && counts.processing === 0 && workers === 0
}

/** @param {Store} store @param {import('./wire.d.ts').Queue} queue @returns {Problem[]} */
function pendingProblems(store, { types }) {
  const found = []
  for (const type of types.filter(isUnserved)) {
    const { content_type, counts, oldest_waiting_at } = type
    const age =
      oldest_waiting_at === null ? '' : `, oldest ${about(store.secondsSince(oldest_waiting_at))}`
    const jobs = plural(counts.pending, `${content_type} job`)
    const text = `No worker for ${content_type}: ${jobs} pending${age}.`
    const link = `#/jobs?status=pending&type=${encodeURIComponent(content_type)}`
    const advice = `Start an agent that accepts it: morag-agent start --types ${content_type}`
    found.push(problem(`no worker ${content_type}`, 'warn', text, advice, link))
  }
  const served = new Set(types.filter(({ workers }) => workers > 0).map((one) => one.content_type))
  const unmatched = store.newest().filter((job) => served.has(job.content_type) && hasNeeds(job))
  for (const job of unmatched.slice(0, LISTED)) {
    const text = `${job.filename} waits for ${job.waiting_for}.`
    found.push(problem(`requires ${job.job_id}`, 'warn', text, null, `#/jobs/${job.job_id}`))
  }
  return found
}

/**
 * Whether no worker of its type meets a job's requirements.
 * @param {{ content_type: string, waiting_for: string | null }} job
 */
function hasNeeds({ content_type, waiting_for }) {
  return waiting_for !== null && waiting_for !== `a worker for ${content_type}`
}

/** @param {Store} store @returns {Problem[]} */
function workerProblems(store) {
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
      // A drained worker is expected to leave.
      const hasLeft = state === null || state === 'draining' || directive !== 'run'
      if (hasLeft && jobs.length === 0) continue
      const held = jobs.length > 0 ? ` It holds ${plural(jobs.length, 'job')}.` : ''
      const age = about(store.secondsSince(last_seen_at))
      const text = `Worker ${worker_id} is lost: last heartbeat ${age} ago.${held}`
      found.push(problem(`lost ${worker_id} ${last_seen_at}`, 'warn', text, null, link))
    } else if (set_aside !== null) {
      const path = `workers/${encodeURIComponent(worker_id)}/resume`
      const fix = { label: 'Resume', path, done: `${worker_id} accepts jobs again.` }
      const text = `Worker ${worker_id} is set aside: it gets only jobs that no other worker can take.`
      const key = `set aside ${worker_id} ${set_aside.until}`
      found.push({ ...problem(key, 'bad', text, set_aside.reason, link), fix })
    }
  }
  return found.slice(0, LISTED * 2)
}

/** @param {Store} store @param {import('./wire.d.ts').Queue} queue @returns {Problem[]} */
function failedJobs(store, { counts }) {
  const all = counts.failed + counts.timeout
  const known = store.newest().filter(({ status }) => status === 'failed' || status === 'timeout')
  /** @type {Problem[]} */
  const found = known.slice(0, LISTED).map((job) => {
    const text = `${job.filename} ${job.status === 'timeout' ? 'timed out' : 'failed'}.`
    const path = `remote-jobs/${job.job_id}/retry`
    const fix = { label: 'Retry', path, done: `${job.filename} is queued again.` }
    const key = `failed ${job.job_id} ${job.completed_at}`
    return { ...problem(key, 'bad', text, job.error_message, `#/jobs/${job.job_id}`), fix }
  })
  const rest = all - found.length
  if (rest > 0) {
    const text = `${plural(rest, found.length > 0 ? 'more job' : 'job')} failed.`
    found.push(problem(`failures ${all}`, 'bad', text, null, '#/jobs?status=failed'))
  }
  return found
}

/** @param {Store} store @returns {Problem[]} */
function failedSteps(store) {
  const found = []
  for (const job of store.newest()) {
    const bad = job.continuation?.steps.find(
      ({ state, tries }) => state === 'failed' || (state === 'pending' && tries >= PROBLEM_TRIES),
    )
    if (bad === undefined) continue
    const end = bad.state === 'failed' ? 'failed, no more retries' : `failed ${bad.tries} times`
    const text = `${job.filename}: ${stepName(bad.step)} ${end}.`
    const path = `remote-jobs/${job.job_id}/continuation/retry`
    const fix = { label: 'Retry now', path, done: `Retrying ${stepName(bad.step)}.` }
    const key = `step ${job.job_id} ${bad.step} ${bad.state}`
    found.push({ ...problem(key, 'bad', text, bad.last_error, `#/jobs/${job.job_id}`), fix })
  }
  return found.slice(0, LISTED)
}

/** @param {string} step */
export function stepName(step) {
  if (step === 'webhook') return 'webhook delivery'
  return step === 'ingest' ? 'MoRAG ingestion' : 'output folder'
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
