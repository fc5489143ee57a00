import { z } from 'zod'
import { HOUR, MINUTE, SECOND } from '../../shared/duration.ts'
import type { FromWire } from '../../shared/keys.ts'
import { serverAnswer, STEPS } from '../../shared/wire-ingestion.ts'
import { instant, instantOrNull, textOrNull, stored } from './fields.ts'

export type StepName = (typeof STEPS)[number]

const storedTask = stored({
  api: z.string(),
  /** Null: the answer was lost, and the server's callback is waited for. */
  id: textOrNull,
  since_at: instant,
})
export type Task = FromWire<z.output<typeof storedTask>>
export type IngestAnswer = FromWire<z.output<typeof serverAnswer>>

/** One step, independent of the others: a webhook that is down does not delay the ingestion. */
const storedStep = stored({
  name: z.enum(STEPS),
  /** `failed`: given up until a retry by hand. */
  state: z.enum(['pending', 'done', 'failed']),
  /** Since the job's end, or since a retry by hand. */
  tries: z.int().min(0).default(0),
  /** When it is tried next; null: never. */
  next_at: instantOrNull,
  last_at: instantOrNull,
  last_error: textOrNull,
  /** Null unless the MoRAG server works on it. */
  task: storedTask.nullable().default(null),
  answer: serverAnswer.nullable().default(null),
})
export type Step = FromWire<z.output<typeof storedStep>>

/** The steps that follow one end of a job. A retried job gets another continuation when it ends again. */
export const storedContinuation = stored({
  /** The `webhook-id` and `Idempotency-Key` of every try. */
  id: z.string(),
  steps: z.array(storedStep),
})
export type Continuation = FromWire<z.output<typeof storedContinuation>>

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

export type Tried =
  | { done: true; answer?: IngestAnswer }
  | {
      done: false
      /** The server works on it: polled later, and not counted as a try. */
      task?: Task
      message: string
      /** Not to be tried again. */
      final: boolean
      /** The receiver's `Retry-After`. */
      retryAfterMs: number | null
    }

/** Pauses after the first, second … try: two days in all. */
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
/** A webhook waits for the ingestion, to report it, too. */
const MAX_WAIT_FOR_INGESTION_MS = HOUR
/** Bounds of the pause between two polls of a task: a quarter of its age. */
const POLL_MS = { least: 2 * SECOND, most: 2 * MINUTE }
/** The random part of a pause, so that a receiver that is back does not get everything at once. */
const JITTER = 0.2

/** All steps are due at once, but for a webhook that waits for the ingestion; null without steps. */
export function startContinuation(
  id: string,
  names: readonly StepName[],
  now: number,
): Continuation | null {
  if (names.length === 0) return null
  const waits = names.includes('ingest') ? MAX_WAIT_FOR_INGESTION_MS : 0
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
      const pause = Math.min(POLL_MS.most, Math.max(POLL_MS.least, (now - task.sinceAt) / 4))
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

function withoutWaiting(continuation: Continuation, now: number): Continuation {
  return change(continuation, ['webhook'], (step) =>
    step.tries === 0 && step.nextAt !== null && step.nextAt > now ? { ...step, nextAt: now } : step,
  )
}

/** The continuation with these steps started over. */
export function again(
  continuation: Continuation,
  names: readonly StepName[],
  now: number,
): Continuation {
  return change(continuation, names, (step) => ({ ...fresh(step.name, now), lastAt: step.lastAt }))
}

export function undone({ steps }: Continuation): StepName[] {
  return steps.filter(({ state }) => state !== 'done').map(({ name }) => name)
}

/** When the next step is due; null when none is. */
export function nextDueAt({ steps }: Continuation): number | null {
  const times = steps.map(({ nextAt }) => nextAt).filter((at) => at !== null)
  return times.length === 0 ? null : Math.min(...times)
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
