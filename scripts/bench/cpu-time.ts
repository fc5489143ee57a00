import { readFileSync } from 'node:fs'
import { family } from '../process-tree.ts'

/** Of a second, in Linux's `/proc`. */
const TICKS = 100

/**
 * What all processes that we started, and those that they started, have computed until they ended, in seconds of one
 * processor. Unlike the time on the clock it says little of what else the machine does.
 */
export function childrenCpuSeconds(): number {
  const { ended } = cpuOf('self')
  return ended
}

/** {@link childrenCpuSeconds}, with what the processes that still run have computed. */
export function familyCpuSeconds(): number {
  return sumOf(family(process.pid).slice(1)) + childrenCpuSeconds()
}

/** What a process has computed, and those that it has started, in seconds. */
export function treeCpuSeconds(pid: number): number {
  return sumOf(family(pid))
}

function sumOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    const { own, ended } = cpuOf(pid)
    return sum + own + ended
  }, 0)
}

/** Of one process itself, in seconds. */
export function cpuSecondsOf(pid: number | 'self'): number {
  return cpuOf(pid).own
}

function cpuOf(pid: number | 'self'): { own: number; ended: number } {
  try {
    const fields = readFileSync(`/proc/${pid}/stat`, 'utf8')
      .replace(/^.*\) /, '')
      .split(' ')
    const seconds = (at: number): number => Number(fields[at]) / TICKS
    // The name and what is before it are gone, which are two: these are the 14th to the 17th.
    return { own: seconds(11) + seconds(12), ended: seconds(13) + seconds(14) }
  } catch {
    return { own: 0, ended: 0 }
  }
}
