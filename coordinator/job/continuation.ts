import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import type { STEPS } from '../../shared/wire-ingestion.ts'

export type StepName = (typeof STEPS)[number]

/** One step, with a life of its own: a webhook that is down does not hold the ingestion up. */
export interface Step {
  name: StepName
  /** `failed`: given up, until somebody retries it by hand. */
  state: 'pending' | 'done' | 'failed'
  /** Since the job's end, or since a retry by hand. */
  tries: number
  /** When it is tried next; null when it is not. */
  nextAt: number | null
  lastAt: number | null
  lastError: string | null
  /** What the other side has taken and works on; null: nothing. */
  task: Task | null
  /** What the other side said when it was done. */
  answer: IngestAnswer | null
}

/** Work that the other side has taken. */
export interface Task {
  /** Which API it was given by. */
  api: string
  /** Its name there; null: the answer did not come through, and the other side is to call back. */
  id: string | null
  sinceAt: number
}

/** What the MoRAG server said of a text that it has ingested; null: it did not say. */
export interface IngestAnswer {
  api: string
  taskId: string | null
  documentId: string | null
  chunksProcessed: number | null
  totalTextLength: number | null
  databasesUsed: string[] | null
  stages: { stage: string; status: string; seconds: number }[]
  warnings: string[]
}

export function emptyAnswer(api: string): IngestAnswer {
  return {
    api,
    taskId: null,
    documentId: null,
    chunksProcessed: null,
    totalTextLength: null,
    databasesUsed: null,
    stages: [],
    warnings: [],
  }
}

/** What follows one end of a job. A job that is brought back and ends again gets another. */
export interface Continuation {
  /** Names this end to receivers, the same over every delivery: the `webhook-id`, the ingestion's `Idempotency-Key`. */
  id: string
  steps: Step[]
}

/** How a try went. */
export type Tried =
  | { done: true; answer?: IngestAnswer }
  | {
      done: false
      /** The other side works on it: it is looked at again later, and this was no try. */
      task?: Task
      message: string
      /** No other try can help. */
      final: boolean
      /** What the other side asked for. */
      retryAfterMs: number | null
    }

/** Pauses after the first, second … try: some two days in all. */
const PAUSES_MS = [
  1 * SECOND,
  5 * SECOND,
  30 * SECOND,
  5 * MINUTE,
  30 * MINUTE,
  2 * HOUR,
  6 * HOUR,
  12 * HOUR,
  24 * HOUR,
]
/** A webhook tells of the ingestion, too, where that goes well: it waits for it, but not longer. */
const MOST_WAIT_FOR_INGESTION_MS = HOUR
/** Between two looks at what the other side works on: a quarter of how long it has been at it. */
const LOOK_MS = { least: 2 * SECOND, most: 2 * MINUTE }
/** So much of a pause is left to chance, so that a receiver that comes back is not met by all at once. */
const JITTER = 0.2

/** What is to follow, all of it due at once; null when nothing is. */
export function startContinuation(
  id: string,
  names: readonly StepName[],
  now: number,
): Continuation | null {
  if (names.length === 0) return null
  const waits = names.includes('ingest') ? MOST_WAIT_FOR_INGESTION_MS : 0
  const steps = names.map((name) => fresh(name, name === 'webhook' ? now + waits : now))
  return { id, steps }
}

/** The continuation after a try of one of its steps. @param random 0 ≤ random < 1 */
export function afterTry(
  continuation: Continuation,
  name: StepName,
  tried: Tried,
  { now, random }: { now: number; random: number },
): Continuation {
  const next = change(continuation, [name], (step) => {
    if (!tried.done && tried.task !== undefined) {
      const { task, message } = tried
      const pause = Math.min(LOOK_MS.most, Math.max(LOOK_MS.least, (now - task.sinceAt) / 4))
      const nextAt = now + Math.round(pause)
      return { ...step, state: 'pending', nextAt, lastAt: now, lastError: message || null, task }
    }
    const tries = step.tries + 1
    const done = { ...step, tries, lastAt: now, nextAt: null, task: null }
    if (tried.done) {
      return { ...done, state: 'done', lastError: null, answer: tried.answer ?? step.answer }
    }
    const pause = PAUSES_MS[tries - 1]
    const lastError = tried.message
    if (tried.final || pause === undefined) return { ...done, state: 'failed', lastError }
    const wait = Math.max(pause * (1 + JITTER * random), tried.retryAfterMs ?? 0)
    return { ...done, state: 'pending', nextAt: now + Math.round(wait), lastError }
  })
  return name === 'ingest' && (tried.done || tried.task === undefined)
    ? withoutWaiting(next, now)
    : next
}

/** The webhook waits no longer: the ingestion is over, or there is trouble with it. */
function withoutWaiting(continuation: Continuation, now: number): Continuation {
  return change(continuation, ['webhook'], (step) =>
    step.tries === 0 && step.nextAt !== null && step.nextAt > now ? { ...step, nextAt: now } : step,
  )
}

/** The continuation with these steps to be done again from the start, also those that were done. */
export function again(
  continuation: Continuation,
  names: readonly StepName[],
  now: number,
): Continuation {
  return change(continuation, names, (step) => ({ ...fresh(step.name, now), lastAt: step.lastAt }))
}

/** The steps that are not done: what a retry by hand is about when it names none. */
export function undone({ steps }: Continuation): StepName[] {
  return steps.filter(({ state }) => state !== 'done').map(({ name }) => name)
}

/** When the next step is due, or null. */
export function nextDueAt({ steps }: Continuation): number | null {
  const times = steps.map(({ nextAt }) => nextAt).filter((at) => at !== null)
  return times.length === 0 ? null : Math.min(...times)
}

/** The steps that are due. */
export function dueSteps({ steps }: Continuation, now: number): StepName[] {
  return steps.filter(({ nextAt }) => nextAt !== null && nextAt <= now).map(({ name }) => name)
}

function fresh(name: StepName, now: number): Step {
  return {
    name,
    state: 'pending',
    tries: 0,
    nextAt: now,
    lastAt: null,
    lastError: null,
    task: null,
    answer: null,
  }
}

function change(
  { id, steps }: Continuation,
  names: readonly StepName[],
  to: (step: Step) => Step,
): Continuation {
  return { id, steps: steps.map((step) => (names.includes(step.name) ? to(step) : step)) }
}
