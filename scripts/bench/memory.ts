import { readFileSync } from 'node:fs'

/** Resident memory of a process in MB, from Linux's `/proc`. */
export function residentMb(pid: number): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1] ?? Number.NaN) / 1024
}

/** The most that each of these processes takes while `work` runs, in MB. */
export async function peaksDuring(
  pids: readonly number[],
  work: () => Promise<void>,
): Promise<number[]> {
  const peaks = pids.map(residentMb)
  const timer = setInterval(() => {
    pids.forEach((pid, i) => (peaks[i] = Math.max(peaks[i] ?? 0, residentMb(pid))))
  }, 20)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return peaks
}
