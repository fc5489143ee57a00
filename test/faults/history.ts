/** What a run is judged by: the coordinator's log, the clients' requests with their answers, and what is there at the end. */
export interface History {
  /** In the order of the log. What several processes have logged is put in order by the jobs' versions. */
  readonly log: readonly LoggedChange[]
  readonly deeds: readonly Deed[]
  /** By job id: what a reader finds when all is over. */
  readonly found: ReadonlyMap<string, Found>
  /** When `found` was read. */
  readonly endedAt: number
  /** How long ended jobs are kept; null: for ever. */
  readonly keptMs: number | null
  /** When a coordinator stood still, which also logs late what it did before, in milliseconds of the clock; default: never. */
  readonly pauses?: readonly Pause[]
}

export interface Pause {
  from: number
  until: number
}

/** One durable change of a job, as the coordinator's log has it. */
export interface LoggedChange {
  jobId: string
  /** Which process logged it, from 0: between two of them a line may be missing, within one none is. */
  run: number
  /** Of the job once it was so; null where one process at a time changes jobs: its log is in order. */
  version: number | null
  from: string | null
  to: string
  attempt: number | null
  workerId: string | null
  /** Why its newest attempt ended, where that was a failure. */
  reason: string | null
  at: number
}

/**
 * What a client asked for. `done` is acknowledged; `refused` has not happened; `unknown` is what got no answer: it may
 * have happened or not.
 */
interface Asked {
  jobId: string
  askedAt: number
  /** When its answer was there, or was given up. */
  answeredAt: number
  answer: 'done' | 'refused' | 'unknown'
}

interface OfAttempt extends Asked {
  attempt: number
  workerId: string
}

export type Deed =
  | (Asked & { kind: 'create' })
  /** `askedAt` is when its claim id was first asked with: the lease cannot have begun before. */
  | (OfAttempt & { kind: 'claim'; leaseMs: number })
  /** `done`: the order was to go on. */
  | (OfAttempt & { kind: 'beat' })
  | (OfAttempt & { kind: 'release' })
  /** `content` names what was sent; null: a failure. */
  | (OfAttempt & { kind: 'finish'; content: string | null })
  | (Asked & { kind: 'cancel' | 'retry' | 'reassign' })
  /** A result, fetched or brought by a webhook. */
  | (Asked & { kind: 'read'; content: string })
  /** A status that it has come to its end with. */
  | (Asked & { kind: 'seen'; status: string })

export interface Found {
  status: string
  completedAt: number | null
  attempts: readonly { number: number; workerId: string; outcome: string | null }[]
  /** Names the stored result; null: there is none. */
  content: string | null
}

/** The changes of jobs in a log, which is lines of JSON from one process after the other. */
export function readLog(runs: readonly (readonly string[])[]): LoggedChange[] {
  const changes: LoggedChange[] = []
  runs.forEach((lines, run) => {
    for (const line of lines) {
      const change = changeIn(line, run)
      if (change !== null) changes.push(change)
    }
  })
  return changes
}

/** One line of the log; null: it is no job's change, or the process died over it. */
export function changeIn(line: string, run: number): LoggedChange | null {
  if (!line.includes('"msg":"job ')) return null
  const read = parsed(line)
  const to = /^job (\w+)$/.exec(String(read?.['msg']))?.[1]
  if (read === null || to === undefined || typeof read['job_id'] !== 'string') return null
  return {
    jobId: read['job_id'],
    run,
    version: typeof read['version'] === 'number' ? read['version'] : null,
    from: typeof read['from'] === 'string' ? read['from'] : null,
    to,
    attempt: typeof read['attempt'] === 'number' ? read['attempt'] : null,
    workerId: typeof read['worker_id'] === 'string' ? read['worker_id'] : null,
    reason: typeof read['reason'] === 'string' ? read['reason'] : null,
    at: Date.parse(String(read['time'])),
  }
}

/** Changes of one job in the order in which they became durable. */
export function inOrder(log: readonly LoggedChange[]): LoggedChange[] {
  return log.toSorted((a, b) => (a.version ?? 0) - (b.version ?? 0))
}

/** Whether no line can be missing between two of one job. */
export function areNeighbours(before: LoggedChange, after: LoggedChange): boolean {
  if (before.version === null || after.version === null) return before.run === after.run
  return after.version === before.version + 1
}

function parsed(line: string): Record<string, unknown> | null {
  try {
    return JSON.parse(line) as Record<string, unknown>
  } catch {
    return null
  }
}

interface WireJob {
  status: string
  completed_at: string | null
  attempts: { number: number; worker_id: string; outcome: string | null }[]
}

/**
 * Reads jobs as a client sees them: those that are gone are left out.
 * @param get fetches a path below `/api/v1`; `body` is null for a 404.
 * @param nameOf what names a result in the deeds.
 */
export async function readJobs(
  jobIds: Iterable<string>,
  get: (path: string) => Promise<unknown>,
  nameOf: (content: string) => string,
): Promise<Map<string, Found>> {
  const found = new Map<string, Found>()
  for (const jobId of jobIds) {
    const job = (await get(`/remote-jobs/${jobId}`)) as WireJob | null
    if (job === null) continue
    const result =
      job.status === 'completed'
        ? ((await get(`/remote-jobs/${jobId}/result`)) as { content: string } | null)
        : null
    found.set(jobId, {
      status: job.status,
      completedAt: job.completed_at === null ? null : Date.parse(job.completed_at),
      attempts: job.attempts.map(({ number, worker_id: workerId, outcome }) => ({
        number,
        workerId,
        outcome,
      })),
      content: result === null ? null : nameOf(result.content),
    })
  }
  return found
}
