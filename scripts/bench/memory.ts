import { family, residentMb } from '../process-tree.ts'

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

/** The most that one of the processes that we start takes while `work` runs, in MB. */
export async function childrenPeak(work: () => Promise<void>): Promise<number> {
  let peak = 0
  const timer = setInterval(() => {
    peak = Math.max(peak, ...family(process.pid).slice(1).map(residentMb))
  }, 100)
  try {
    await work()
  } finally {
    clearInterval(timer)
  }
  return peak
}
