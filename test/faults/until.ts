import { setTimeout as delay } from 'node:timers/promises'

/** Longer than anything takes, however busy the machine is. */
const LONGEST_MS = 120_000

/** Resolves once that is so. What is looked at is in other processes, which need the processor meanwhile. */
export async function until(holds: () => boolean | Promise<boolean>): Promise<void> {
  const limit = AbortSignal.timeout(LONGEST_MS)
  while (!(await holds())) {
    if (limit.aborted) throw new Error(`never so: ${holds.toString()}`)
    await delay(10)
  }
}
