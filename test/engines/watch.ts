import { setInterval } from 'node:timers'
import { family } from '../../scripts/process-tree.ts'
import { gone } from '../agent/fixtures.ts'

/** Remembers every process that a process has, so that orphans among them are found. */
export function watchFamily(pid: number): {
  /** All that were seen beside those that were there at first. */
  seen: ReadonlySet<number>
  /** Resolves when each of them is gone; the test's own timeout is the limit. */
  gone(): Promise<void>
} {
  const before = new Set(family(pid))
  const seen = new Set<number>()
  const look = (): void => {
    for (const one of family(pid)) if (!before.has(one)) seen.add(one)
  }
  const timer = setInterval(look, 200).unref()
  return {
    seen,
    async gone() {
      look()
      clearInterval(timer)
      for (const one of seen) await gone(one)
    },
  }
}
