import { SECOND } from '../../shared/duration.ts'
import { lastAttempt, type Job } from './job.ts'

/** One finished job: how long its attempt took and how long its recording was, in seconds. */
interface Sample {
  tookSeconds: number
  mediaSeconds: number | null
}

/** What else an estimate depends on. */
export interface Surroundings {
  now: number
  /** The job's place in its queue, from 1; null when it does not wait. */
  position: number | null
  /** How many jobs of its content type are worked on at a time. */
  slots: number
}

const SAMPLES_KEPT = 50
/** From this share on an attempt's own pace says more than the history of others. */
const TELLING_PROGRESS = 0.05

/** When jobs will be done, from how long jobs of their content type have really taken. */
export class Estimates {
  readonly #samples = new Map<string, Sample[]>()

  /**
   * Learns from a job that has completed; others teach nothing.
   * @param before what it was then, if known: the wait for a slot is no work.
   */
  learn(job: Job, before: Job | null = null): void {
    if (job.status !== 'completed') return
    const attempt = job.attempts.find(({ outcome }) => outcome === 'completed')
    if (attempt?.endedAt === undefined || attempt.endedAt === null) return
    const held = before?.status === 'processing' && lastAttempt(before)?.number === attempt.number
    const waited = held ? before.lease.waitedMs : 0
    const samples = this.#samples.get(job.contentType) ?? []
    samples.push({
      tookSeconds: Math.max(0, attempt.endedAt - attempt.startedAt - waited) / SECOND,
      mediaSeconds: job.result.mediaSeconds,
    })
    if (samples.length > SAMPLES_KEPT) samples.shift()
    this.#samples.set(job.contentType, samples)
  }

  /** The instant in milliseconds, or null when nothing is known to go by. */
  completionAt(job: Job, { now, position, slots }: Surroundings): number | null {
    if (job.status === 'processing') return this.#whileProcessing(job, now)
    if (job.status !== 'pending' || position === null) return null
    const took = this.usualSeconds(job.contentType)
    if (took === null) return null
    const rounds = Math.ceil(position / Math.max(1, slots))
    return Math.max(now, job.availableAt) + rounds * took * SECOND
  }

  #whileProcessing(job: Job & { status: 'processing' }, now: number): number | null {
    const startedAt = (lastAttempt(job)?.startedAt ?? now) + job.lease.waitedMs
    const { progress, mediaSeconds } = job.lease
    if (progress !== null && progress >= TELLING_PROGRESS) {
      // The pace up to the last report; what has passed since then does not make the rest longer.
      const took = Math.max(0, job.lease.movedAt - startedAt) / progress
      return Math.max(now, startedAt + took)
    }
    const took = this.#secondsFor(job.contentType, mediaSeconds)
    return took === null ? null : Math.max(now, startedAt + took * SECOND)
  }

  #secondsFor(contentType: string, mediaSeconds: number | null): number | null {
    const speed = this.#speed(contentType)
    if (mediaSeconds !== null && speed !== null) return mediaSeconds / speed
    return this.usualSeconds(contentType)
  }

  /** Seconds of recording per second of work, over all samples that know both. */
  #speed(contentType: string): number | null {
    let media = 0
    let took = 0
    for (const { mediaSeconds, tookSeconds } of this.#samples.get(contentType) ?? []) {
      if (mediaSeconds === null || mediaSeconds === 0) continue
      media += mediaSeconds
      took += tookSeconds
    }
    return media === 0 || took === 0 ? null : media / took
  }

  /** How long a job of a content type usually takes (the median); null when none is known. */
  usualSeconds(contentType: string): number | null {
    const took = (this.#samples.get(contentType) ?? []).map(({ tookSeconds }) => tookSeconds)
    took.sort((a, b) => a - b)
    return took[took.length >> 1] ?? null
  }
}
