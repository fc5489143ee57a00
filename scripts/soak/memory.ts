import { median } from '../bench/report.ts'

export interface MemoryLevel {
  startMb: number
  endMb: number
  isLevel: boolean
}

/**
 * Memory in the first quarter of a load, once all its jobs are there, and in its last. Each process that follows a kill
 * begins anew, so medians are compared, and a coordinator that leaks would be far above.
 */
export function memoryLevel(
  samples: readonly { at: number; mb: number }[],
  loadMs: number,
): MemoryLevel {
  const from = samples[0]?.at ?? 0
  const within = (begin: number, end: number): number =>
    median(
      samples
        .filter(({ at }) => at >= from + begin * loadMs && at < from + end * loadMs)
        .map(({ mb }) => mb),
    )
  const startMb = within(0.15, 0.4)
  const endMb = within(0.75, 1)
  return { startMb, endMb, isLevel: !(endMb > startMb * 1.3 + 40) }
}
