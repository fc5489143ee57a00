import { startTimer } from '../shared/timers.ts'

/** What makes an agent on a rented GPU finish by itself. Null: no such limit. */
export interface LimitSettings {
  /** So long without a job. */
  idleTimeoutMs: number | null
  /** So many jobs begun. */
  maxJobs: number | null
  /** So long since the start, busy or not. */
  maxUptimeMs: number | null
}

export type Limit = 'idle' | 'jobs' | 'uptime'

/** Exit codes that say which limit ended an agent. */
export const LIMIT_EXIT = { idle: 10, jobs: 11, uptime: 12 } as const satisfies Record<
  Limit,
  number
>

export interface Limits {
  /** A job has begun after a time without any. */
  busy(): void
  /** The last job is over. */
  idle(): void
  /** Counts a job; call it for each. */
  jobBegun(): void
  /** How many more jobs may begin; Infinity without a limit. */
  readonly jobsLeft: number
  /** The one that was reached, or null. */
  readonly reached: Limit | null
  close(): void
}

/**
 * Watches the limits from now on, idle at first. The first one that is reached is told to `onReached`, and none after
 * it. `now`: milliseconds of a clock that nobody sets.
 */
export function createLimits(
  settings: LimitSettings & { now?: () => number; onReached: (which: Limit) => void },
): Limits {
  const { idleTimeoutMs, maxJobs, maxUptimeMs, onReached } = settings
  const now = settings.now ?? (() => performance.now())
  const startedAt = now()
  let idleSince: number | null = startedAt
  let jobs = 0
  let reached: Limit | null = null
  let closed = false
  let timer: NodeJS.Timeout | undefined

  /** When each clock runs out. */
  function ends(): { which: Limit; at: number }[] {
    const all: { which: Limit; at: number }[] = []
    if (maxUptimeMs !== null) all.push({ which: 'uptime', at: startedAt + maxUptimeMs })
    if (idleTimeoutMs !== null && idleSince !== null) {
      all.push({ which: 'idle', at: idleSince + idleTimeoutMs })
    }
    return all.sort((a, b) => a.at - b.at)
  }

  function reach(which: Limit): void {
    reached = which
    clearTimeout(timer)
    onReached(which)
  }

  function watch(): void {
    clearTimeout(timer)
    const [next] = ends()
    if (next === undefined || reached !== null || closed) return
    const left = next.at - now()
    if (left <= 0) reach(next.which)
    else timer = startTimer(watch, left).unref()
  }

  watch()
  return {
    busy() {
      idleSince = null
      watch()
    },
    idle() {
      idleSince ??= now()
      watch()
    },
    jobBegun() {
      jobs += 1
      if (maxJobs !== null && jobs >= maxJobs && reached === null && !closed) reach('jobs')
    },
    get jobsLeft() {
      return maxJobs === null ? Infinity : Math.max(0, maxJobs - jobs)
    },
    get reached() {
      return reached
    },
    close() {
      closed = true
      clearTimeout(timer)
    },
  }
}
