import { DAY, HOUR, MINUTE } from '../../shared/duration.ts'
import { isHostCode, isRetryableCode } from '../../shared/errors.ts'
import { isOriginal, type Attempt, type Job } from './job.ts'

/** A worker that gets no work for now that others can do. */
export interface SetAside {
  untilAt: number
  /** In words. */
  reason: string
}

/** What the end of an attempt says of its worker. */
export interface AttemptEnd {
  workerId: string
  jobId: string
  startedAt: number
  endedAt: number
  /** Null: it was a success. */
  errorCode: string | null
  /** The worker fell silent. */
  isLost: boolean
}

/** An attempt that its worker has given back. */
export type GivenBack = Pick<AttemptEnd, 'workerId' | 'startedAt' | 'endedAt'>

/** What a worker has done since its last success. */
interface Row {
  /** By job, the code that its newest attempt failed with. */
  failed: Map<string, string>
  /** How often it was set aside. */
  times: number
  aside: SetAside | null
  /** When its silence was last noticed: all that it had begun before was lost by that one silence. */
  silentAt: number
  /** How often it has given back what it had, and when it last did. */
  givenBack: number
  gaveBackAt: number
  changedAt: number
}

/** So many different jobs in a row: one may be the file's fault. */
const JOBS = 3
/** So often in a row it gives jobs back and does none. */
const GIVEN_BACK = 10
const FIRST_MS = 10 * MINUTE
const LONGEST_MS = HOUR
const FORGET_AFTER_MS = DAY

/**
 * Which workers fail whatever they get. One whose machine lacks what a job needs is set aside at once. One whose newest attempts on three different jobs all failed, by its own fault,
 * is set aside for ten minutes; the next failure after that does it again, for twice as long, up to an hour. So is one
 * that gives back whatever it gets. A success makes everything forgotten. In memory: after a restart it has to show again
 * what it is like.
 */
export class SetAsides {
  readonly #rows = new Map<string, Row>()

  /** Takes note of an attempt's end; what became of its worker, if that is new. */
  note(end: AttemptEnd): SetAside | null {
    const { workerId, jobId, errorCode, endedAt } = end
    if (errorCode === null) {
      this.#rows.delete(workerId)
      return null
    }
    const row = this.#row(workerId)
    row.changedAt = endedAt
    if (end.isLost) {
      if (end.startedAt <= row.silentAt) return null
      row.silentAt = endedAt
    }
    row.failed.delete(jobId)
    row.failed.set(jobId, errorCode)
    if (isHostCode(errorCode))
      return this.of(workerId, endedAt) === null
        ? setAside(row, endedAt, `Its machine lacks something: ${errorCode}.`)
        : null
    if (row.failed.size < JOBS || this.of(workerId, endedAt) !== null) return null
    row.failed = new Map([...row.failed].slice(-JOBS))
    const codes = [...row.failed.values()].join(', ')
    return setAside(row, endedAt, `Its last attempts failed, on ${JOBS} different jobs: ${codes}.`)
  }

  /**
   * Takes note of an attempt that was given back; what became of its worker, if that is new. What it held when it last
   * gave something back counts with that: an agent that is stopped gives back all that it has.
   */
  noteGivenBack({ workerId, startedAt, endedAt }: GivenBack): SetAside | null {
    const row = this.#row(workerId)
    row.changedAt = endedAt
    if (startedAt <= row.gaveBackAt) return null
    row.gaveBackAt = endedAt
    row.givenBack += 1
    if (row.givenBack < GIVEN_BACK || this.of(workerId, endedAt) !== null) return null
    return setAside(
      row,
      endedAt,
      `It gave back what it got ${row.givenBack} times and did nothing.`,
    )
  }

  of(workerId: string, now: number): SetAside | null {
    const aside = this.#rows.get(workerId)?.aside ?? null
    return aside !== null && aside.untilAt > now ? aside : null
  }

  /** Forgets what a worker has done. */
  forgive(workerId: string): void {
    this.#rows.delete(workerId)
  }

  /** The clock was set by so much: it lasts as long as before. */
  clockStepped(ms: number): void {
    for (const row of this.#rows.values()) {
      row.changedAt += ms
      row.silentAt += ms
      row.gaveBackAt += ms
      if (row.aside !== null) row.aside = { ...row.aside, untilAt: row.aside.untilAt + ms }
    }
  }

  /** Forgets who has done nothing for a day. */
  prune(now: number): void {
    for (const [workerId, { changedAt }] of this.#rows)
      if (changedAt < now - FORGET_AFTER_MS) this.#rows.delete(workerId)
  }

  #row(workerId: string): Row {
    let row = this.#rows.get(workerId)
    if (row === undefined) {
      row = {
        failed: new Map(),
        times: 0,
        aside: null,
        silentAt: -Infinity,
        givenBack: 0,
        gaveBackAt: -Infinity,
        changedAt: 0,
      }
      this.#rows.set(workerId, row)
    }
    return row
  }
}

function setAside(row: Row, now: number, reason: string): SetAside {
  const forMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** row.times)
  row.times += 1
  row.aside = { untilAt: now + forMs, reason }
  return row.aside
}

/**
 * The attempts that a change of their job has ended and that say something of their worker: a success, a loss, or a
 * failure that may pass. What will not pass (a broken file) is not the worker's doing, and neither is what was stopped.
 */
export function endsBetween(before: Job | null, after: Job | null): AttemptEnd[] {
  return endedBetween(before, after)
    .filter(isTelling)
    .map(({ workerId, startedAt, endedAt, outcome, errorCode }) => ({
      workerId,
      jobId: after!.jobId,
      startedAt,
      endedAt: endedAt ?? startedAt,
      errorCode: outcome === 'completed' ? null : errorCode,
      isLost: outcome === 'lost',
    }))
}

function isTelling(attempt: Attempt): boolean {
  const { outcome, errorCode } = attempt
  // It has no code for what is the file's fault, and is lost only where we were away.
  if (isOriginal(attempt) && (outcome === 'lost' || errorCode === 'internal')) return false
  if (outcome === 'completed' || outcome === 'lost') return true
  return outcome === 'failed' && errorCode !== null && isRetryableCode(errorCode)
}

/** The attempts that were given back by it, but not for what their worker cannot do. */
export function givenBackBetween(before: Job | null, after: Job | null): GivenBack[] {
  return endedBetween(before, after)
    .filter(({ outcome, errorCode }) => outcome === 'released' && errorCode === null)
    .map(({ workerId, startedAt, endedAt }) => ({
      workerId,
      startedAt,
      endedAt: endedAt ?? startedAt,
    }))
}

/** Those that have another outcome than before. */
function endedBetween(before: Job | null, after: Job | null): Attempt[] {
  if (before === null || after === null || before.attempts === after.attempts) return []
  const known = new Map(before.attempts.map((one) => [one.number, one.outcome]))
  return after.attempts.filter(
    ({ number, outcome }) => known.has(number) && known.get(number) !== outcome,
  )
}
