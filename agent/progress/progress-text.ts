import { formatDuration } from '../../shared/duration.ts'
import type { Progress } from './progress.ts'

/** `transcribing 42 %, 12.3× real time, 20s left` */
export function progressText(progress: Progress, recognisingMs: number): string {
  const { stage, ratio, mediaSeconds, processedSeconds } = progress
  const parts = [`${stage} ${Math.floor(ratio * 100)} %`]
  const speed = speedOf(processedSeconds, recognisingMs)
  if (speed !== null) {
    parts.push(`${speed.toFixed(1)}× real time`)
    const left = ((mediaSeconds ?? 0) - (processedSeconds ?? 0)) / speed
    if (left >= 1) parts.push(`${formatDuration(left * 1000)} left`)
  }
  return parts.join(', ')
}

/** Seconds of recording per second of work; null while too little is done. */
export function speedOf(
  processedSeconds: number | undefined,
  recognisingMs: number,
): number | null {
  if (processedSeconds === undefined || processedSeconds < 1 || recognisingMs < 500) return null
  return processedSeconds / (recognisingMs / 1000)
}

/** Measures the speed since recognition began. */
export class Stopwatch {
  #since: number | null = null
  readonly #now: () => number

  constructor(now: () => number = () => performance.now()) {
    this.#now = now
  }

  text(progress: Progress): string {
    if (progress.stage === 'transcribing') this.#since ??= this.#now()
    return progressText(progress, this.#since === null ? 0 : this.#now() - this.#since)
  }
}
