import { DAY, HOUR, MINUTE } from '../../shared/duration.ts'
import { isHostCode, isRetryableCode } from '../../shared/errors.ts'
import { endedBetween, isOriginal, type Attempt, type Job } from './job.ts'

export interface SetAside {
  untilAt: number
  reason: string
}

export interface AttemptEnd {
  workerId: string
  jobId: string
  startedAt: number
  endedAt: number
  /** Null for a success. */
  errorCode: string | null
  isLost: boolean
}

export type GivenBack = Pick<AttemptEnd, 'workerId' | 'startedAt' | 'endedAt'>

/** A worker's record since its last success. */
interface WorkerRecord {
  /** The error code of its newest attempt, by job. */
  failed: Map<string, string>
  /** How often the breaker opened. */
  times: number
  setAside: SetAside | null
  /** When its lease last expired: attempts begun before that were lost together. */
  silentAt: number
  /** How often in a row it gave jobs back, and when it last did. */
  givenBack: number
  gaveBackAt: number
  changedAt: number
}

/** A worker's record as JSON; null for an instant: never. */
export type StoredBreaker = Omit<WorkerRecord, 'failed' | 'silentAt' | 'gaveBackAt'> & {
  failed: [string, string][]
  silentAt: number | null
  gaveBackAt: number | null
}

const NEW_RECORD = {
  times: 0,
  setAside: null,
  silentAt: -Infinity,
  givenBack: 0,
  gaveBackAt: -Infinity,
  changedAt: 0,
}

/** Different jobs in a row: one alone may be the file's fault. */
const JOBS = 3
/** Jobs in a row that it gave back. */
const GIVEN_BACK = 10
const FIRST_MS = 10 * MINUTE
const LONGEST_MS = HOUR
const FORGET_AFTER_MS = DAY

/**
 * Stops giving jobs to workers that fail. A missing host resource opens a worker's breaker at once, failures of three
 * different jobs in a row or ten returned jobs in a row do so too: for ten minutes, then twice as long each time, up to
 * an hour. A success resets it.
 */
export class CircuitBreakers {
  readonly #records = new Map<string, WorkerRecord>()

  /** Records an attempt's end. @returns the set-aside that it causes, if any. */
  note(end: AttemptEnd): SetAside | null {
    const { workerId, jobId, errorCode, endedAt } = end
    if (errorCode === null) {
      this.#records.delete(workerId)
      return null
    }
    const record = this.#record(workerId)
    record.changedAt = endedAt
    if (end.isLost) {
      if (end.startedAt <= record.silentAt) return null
      record.silentAt = endedAt
    }
    record.failed.delete(jobId)
    record.failed.set(jobId, errorCode)
    const isOpen = this.of(workerId, endedAt) !== null
    if (isHostCode(errorCode))
      return isOpen ? null : open(record, endedAt, `Its machine lacks something: ${errorCode}.`)
    if (record.failed.size < JOBS || isOpen) return null
    record.failed = new Map([...record.failed].slice(-JOBS))
    const codes = [...record.failed.values()].join(', ')
    return open(record, endedAt, `Its last attempts failed, on ${JOBS} different jobs: ${codes}.`)
  }

  /**
   * Records a returned attempt. @returns the set-aside that it causes, if any. Attempts begun before the last return count
   * with it: an agent that stops gives back all it holds.
   */
  noteGivenBack({ workerId, startedAt, endedAt }: GivenBack): SetAside | null {
    const record = this.#record(workerId)
    record.changedAt = endedAt
    if (startedAt <= record.gaveBackAt) return null
    record.gaveBackAt = endedAt
    record.givenBack += 1
    if (record.givenBack < GIVEN_BACK || this.of(workerId, endedAt) !== null) return null
    const reason = `It gave back ${record.givenBack} jobs in a row and completed none.`
    return open(record, endedAt, reason)
  }

  of(workerId: string, now: number): SetAside | null {
    const setAside = this.#records.get(workerId)?.setAside ?? null
    return setAside !== null && setAside.untilAt > now ? setAside : null
  }

  /** A worker's set-aside, and how many there were in a row; null: it is not set aside. */
  opened(workerId: string, now: number): (SetAside & { times: number }) | null {
    const setAside = this.of(workerId, now)
    return setAside && { ...setAside, times: this.#record(workerId).times }
  }

  /** Takes over a set-aside of an earlier run. */
  restore(
    workerId: string,
    { times, ...setAside }: SetAside & { times: number },
    now: number,
  ): void {
    Object.assign(this.#record(workerId), { times, setAside, changedAt: now })
  }

  reset(workerId: string): void {
    this.#records.delete(workerId)
  }

  has(workerId: string): boolean {
    return this.#records.has(workerId)
  }

  /** A worker's record, to be kept elsewhere; null: there is none. */
  stored(workerId: string): StoredBreaker | null {
    const record = this.#records.get(workerId)
    return record === undefined
      ? null
      : { ...record, failed: [...record.failed], ...finite(record) }
  }

  /** Takes over the record of a worker. */
  take(workerId: string, stored: StoredBreaker | null): void {
    if (stored === null) return this.reset(workerId)
    const { failed, silentAt, gaveBackAt } = stored
    const since = { silentAt: silentAt ?? -Infinity, gaveBackAt: gaveBackAt ?? -Infinity }
    this.#records.set(workerId, { ...stored, failed: new Map(failed), ...since })
  }

  clockStepped(ms: number): void {
    for (const record of this.#records.values()) {
      record.changedAt += ms
      record.silentAt += ms
      record.gaveBackAt += ms
      if (record.setAside !== null)
        record.setAside = { ...record.setAside, untilAt: record.setAside.untilAt + ms }
    }
  }

  /** Drops workers without activity for a day. */
  prune(now: number): void {
    for (const [workerId, { changedAt }] of this.#records)
      if (changedAt < now - FORGET_AFTER_MS) this.#records.delete(workerId)
  }

  #record(workerId: string): WorkerRecord {
    const known = this.#records.get(workerId)
    if (known !== undefined) return known
    const record = { ...NEW_RECORD, failed: new Map<string, string>() }
    this.#records.set(workerId, record)
    return record
  }
}

function finite({
  silentAt,
  gaveBackAt,
}: WorkerRecord): Pick<StoredBreaker, 'silentAt' | 'gaveBackAt'> {
  const orNull = (at: number): number | null => (Number.isFinite(at) ? at : null)
  return { silentAt: orNull(silentAt), gaveBackAt: orNull(gaveBackAt) }
}

function open(record: WorkerRecord, now: number, reason: string): SetAside {
  const forMs = Math.min(LONGEST_MS, FIRST_MS * 2 ** record.times)
  record.times += 1
  return (record.setAside = { untilAt: now + forMs, reason })
}

/**
 * The attempts that a change has ended and that say something about their worker: a success, a loss, or a failure that may
 * pass. A broken file is not the worker's fault.
 */
export function endsBetween(before: Job | null, after: Job | null): AttemptEnd[] {
  if (before === null || after === null) return []
  return endedBetween(before, after)
    .filter(concernsWorker)
    .map(({ workerId, startedAt, endedAt, outcome, errorCode }) => ({
      workerId,
      jobId: after.jobId,
      startedAt,
      endedAt: endedAt ?? startedAt,
      errorCode: outcome === 'completed' ? null : errorCode,
      isLost: outcome === 'lost',
    }))
}

function concernsWorker(attempt: Attempt): boolean {
  const { outcome, errorCode } = attempt
  // An original worker has no error code for a broken file, and is lost only when the coordinator was down.
  if (isOriginal(attempt) && (outcome === 'lost' || errorCode === 'internal')) return false
  if (outcome === 'completed' || outcome === 'lost') return true
  return outcome === 'failed' && errorCode !== null && isRetryableCode(errorCode)
}

/** The attempts returned for another reason than a missing capability. */
export function givenBackBetween(before: Job | null, after: Job | null): GivenBack[] {
  if (before === null || after === null) return []
  return endedBetween(before, after)
    .filter(({ outcome, errorCode }) => outcome === 'released' && errorCode === null)
    .map(({ workerId, startedAt, endedAt }) => ({
      workerId,
      startedAt,
      endedAt: endedAt ?? startedAt,
    }))
}
