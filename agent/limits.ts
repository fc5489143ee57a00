import { startTimer } from '../shared/timers.ts'

/** Limits after which an agent exits by itself. Null: none. */
export interface LimitSettings {
  idleTimeoutMs: number | null
  maxJobs: number | null
  /** Since the start, busy or not. */
  maxUptimeMs: number | null
}

export type Limit = 'idle' | 'jobs' | 'uptime' | 'preempted'

export const LIMIT_EXIT = {
  idle: 10,
  jobs: 11,
  uptime: 12,
  preempted: 13,
} as const satisfies Record<Limit, number>

/**
 * Watches the limits, idle at first. `onReached` is called for the first one that is reached, and for a preemption.
 * @param settings `now`: milliseconds of a monotonic clock.
 */
export function createLimits(
  settings: LimitSettings & { now?: () => number; onReached: (which: Limit) => void },
) {
  const { idleTimeoutMs, maxJobs, maxUptimeMs, onReached } = settings
  const now = settings.now ?? (() => performance.now())
  const startedAt = now()
  let idleSince: number | null = startedAt
  let jobs = 0
  let reached: Limit | null = null
  let closed = false
  let timer: NodeJS.Timeout | undefined

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
    busy(): void {
      idleSince = null
      watch()
    },
    idle(): void {
      idleSince ??= now()
      watch()
    },
    jobBegun(): void {
      jobs += 1
      if (maxJobs !== null && jobs >= maxJobs && reached === null && !closed) reach('jobs')
    },
    /** The host is to be taken away: reached even after another limit. */
    preempt(): void {
      if (!closed) reach('preempted')
    },
    get jobsLeft(): number {
      return maxJobs === null ? Infinity : Math.max(0, maxJobs - jobs)
    },
    get reached(): Limit | null {
      return reached
    },
    close(): void {
      closed = true
      clearTimeout(timer)
    },
  }
}
