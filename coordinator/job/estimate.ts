import { SECOND } from '../../shared/duration.ts'
import { lastAttempt, type Job } from './job.ts'

/** One finished job: who did it, how long its attempt took and how much it was. */
interface Sample {
  workerId: string
  tookSeconds: number
  mediaSeconds: number | null
  sizeBytes: number
}

/** What else an estimate depends on. */
export interface Surroundings {
  now: number
  /** The job's place in its queue, from 1; null when it does not wait. */
  position: number | null
  /** How much those before it are together. */
  bytesAhead?: number
  /** How many such jobs are worked on at a time. */
  slots: number
  /** Who may do it: what they have done says more than what others have. */
  workerIds?: readonly string[]
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
      workerId: attempt.workerId,
      sizeBytes: job.source.sizeBytes,
      tookSeconds: Math.max(0, attempt.endedAt - attempt.startedAt - waited) / SECOND,
      mediaSeconds: job.result.mediaSeconds,
    })
    if (samples.length > SAMPLES_KEPT) samples.shift()
    this.#samples.set(job.contentType, samples)
  }

  /** The instant in milliseconds, or null when nothing is known to go by. */
  completionAt(
    job: Job,
    { now, position, bytesAhead, slots, workerIds }: Surroundings,
  ): number | null {
    if (job.status === 'processing') return this.#whileProcessing(job, now)
    if (job.status !== 'pending' || position === null) return null
    const { contentType, source } = job
    const took = this.#secondsFor(contentType, { sizeBytes: source.sizeBytes, workerIds })
    if (took === null) return null
    const ahead = position - 1
    const sizeBytes = ahead > 0 && bytesAhead !== undefined ? bytesAhead / ahead : source.sizeBytes
    const usual = this.#secondsFor(contentType, { sizeBytes, workerIds }) ?? took
    const rounds = Math.floor(ahead / Math.max(1, slots))
    return Math.max(now, job.availableAt) + (rounds * usual + took) * SECOND
  }

  #whileProcessing(job: Job & { status: 'processing' }, now: number): number | null {
    const attempt = lastAttempt(job)!
    const startedAt = attempt.startedAt + job.lease.waitedMs
    const { progress, mediaSeconds } = job.lease
    if (progress !== null && progress >= TELLING_PROGRESS) {
      // The pace up to the last report; what has passed since then does not make the rest longer.
      const took = Math.max(0, job.lease.movedAt - startedAt) / progress
      return Math.max(now, startedAt + took)
    }
    const { sizeBytes } = job.source
    const workerIds = [attempt.workerId]
    const took = this.#secondsFor(job.contentType, { mediaSeconds, sizeBytes, workerIds })
    return took === null ? null : Math.max(now, startedAt + took * SECOND)
  }

  /** By the length of the recording where that is known, else by the size of its file, else as long as others. */
  #secondsFor(
    contentType: string,
    {
      mediaSeconds = null,
      sizeBytes,
      workerIds = [],
    }: {
      mediaSeconds?: number | null
      sizeBytes: number
      workerIds?: readonly string[] | undefined
    },
  ): number | null {
    const all = this.#samples.get(contentType) ?? []
    const own = all.filter(({ workerId }) => workerIds.includes(workerId))
    const samples = own.length > 0 ? own : all
    const speed = speedOf(samples)
    if (mediaSeconds !== null && speed !== null) return mediaSeconds / speed
    const sized = samples.filter((one) => one.sizeBytes > 0)
    if (sizeBytes <= 0 || sized.length === 0) return median(samples.map((one) => one.tookSeconds))
    return sizeBytes * median(sized.map((one) => one.tookSeconds / one.sizeBytes))!
  }

  /** How long a job of a content type usually takes (the median); null when none is known. */
  usualSeconds(contentType: string): number | null {
    return median((this.#samples.get(contentType) ?? []).map(({ tookSeconds }) => tookSeconds))
  }
}

/** Seconds of recording per second of work, over all samples that know both. */
function speedOf(samples: readonly Sample[]): number | null {
  let media = 0
  let took = 0
  for (const { mediaSeconds, tookSeconds } of samples) {
    if (mediaSeconds === null || mediaSeconds === 0) continue
    media += mediaSeconds
    took += tookSeconds
  }
  return media === 0 || took === 0 ? null : media / took
}

function median(values: number[]): number | null {
  return values.toSorted((a, b) => a - b)[values.length >> 1] ?? null
}
