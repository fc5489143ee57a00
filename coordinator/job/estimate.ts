import { SECOND } from '../../shared/duration.ts'
import type { EstimateBasis } from '../../shared/wire-fields.ts'
import { lastAttempt, workSeconds, type Job } from './job.ts'

interface Sample {
  workerId: string
  tookSeconds: number
  mediaSeconds: number | null
  sizeBytes: number
}

/** When a job will be done, and what that is derived from. */
export interface Estimate {
  /** An instant, in milliseconds. */
  completionAt: number
  basis: EstimateBasis
}

interface Length {
  seconds: number
  basis: EstimateBasis
}

export interface Surroundings {
  now: number
  /** Its place in the queue, from 1; null when it does not wait. */
  position: number | null
  /** Bytes of the jobs before it. */
  bytesAhead?: number
  /** How many such jobs are processed at a time. */
  slots: number
  /** The workers that may do it: their own history counts more than that of others. */
  workerIds?: Pick<ReadonlySet<string>, 'has'>
}

const SAMPLES_KEPT = 50

/** Before any job of a type has completed: the length of the recording, as slow engines on a CPU take, and a start. */
const PRIOR_START_SECONDS = 10
/** Bytes per second of a recording, or of the work on another file: low, so that the prior is seldom too short. */
const PRIOR_BYTES_PER_SECOND: Readonly<Record<string, number>> = { audio: 16_000, video: 125_000 }
const PRIOR_BYTES_PER_SECOND_OF_OTHERS = 50_000

/** From this progress on an attempt's own pace says more than history. */
const TELLING_PROGRESS = 0.05

/** Estimates completion from how long jobs of the same content type took. */
export class Estimates {
  readonly #samples = new Map<string, Sample[]>()

  onChange(before: Job | null, after: Job | null): void {
    if (after !== null) this.learn(after, before)
  }

  /** Records a job that has completed; ignores others. @param before its state before, if known. */
  learn(job: Job, before: Job | null = null): void {
    if (job.status !== 'completed') return
    const tookSeconds = workSeconds(before, job)
    const attempt = job.attempts.find(({ outcome }) => outcome === 'completed')
    if (attempt === undefined || tookSeconds === null) return
    const samples = this.#samples.get(job.contentType) ?? []
    samples.push({
      workerId: attempt.workerId,
      sizeBytes: job.source.sizeBytes,
      tookSeconds,
      mediaSeconds: job.result.mediaSeconds,
    })
    if (samples.length > SAMPLES_KEPT) samples.shift()
    this.#samples.set(job.contentType, samples)
  }

  /** When a job will be done; null for a job that has ended, or that waits at an unknown place. */
  of(job: Job, { now, position, bytesAhead, slots, workerIds }: Surroundings): Estimate | null {
    if (job.status === 'processing') return this.#whileProcessing(job, now)
    if (job.status !== 'pending' || position === null) return null
    const { contentType, source } = job
    const { seconds, basis } = this.#lengthOf(contentType, {
      sizeBytes: source.sizeBytes,
      workerIds,
    })
    const ahead = position - 1
    const sizeBytes = ahead > 0 && bytesAhead !== undefined ? bytesAhead / ahead : source.sizeBytes
    const usual = this.#lengthOf(contentType, { sizeBytes, workerIds })
    const rounds = Math.floor(ahead / Math.max(1, slots))
    const from = Math.max(now, job.availableAt)
    return { completionAt: from + (rounds * usual.seconds + seconds) * SECOND, basis }
  }

  #whileProcessing(job: Job & { status: 'processing' }, now: number): Estimate {
    const attempt = lastAttempt(job)!
    const startedAt = attempt.startedAt + job.lease.waitedMs
    const { progress, mediaSeconds } = job.lease
    if (progress !== null && progress >= TELLING_PROGRESS) {
      // The pace up to the last report: the time since then does not make the rest longer.
      const took = Math.max(0, job.lease.movedAt - startedAt) / progress
      return { completionAt: Math.max(now, startedAt + took), basis: 'progress' }
    }
    const { sizeBytes } = job.source
    const workerIds = new Set([attempt.workerId])
    const { seconds, basis } = this.#lengthOf(job.contentType, {
      mediaSeconds,
      sizeBytes,
      workerIds,
    })
    return { completionAt: Math.max(now, startedAt + seconds * SECOND), basis }
  }

  /** By the length of the recording if known, else by the size of its file, else the usual time. */
  #lengthOf(
    contentType: string,
    {
      mediaSeconds = null,
      sizeBytes,
      workerIds = new Set(),
    }: {
      mediaSeconds?: number | null
      sizeBytes: number
      workerIds?: Surroundings['workerIds'] | undefined
    },
  ): Length {
    const all = this.#samples.get(contentType) ?? []
    const own = all.filter(({ workerId }) => workerIds.has(workerId))
    const samples = own.length > 0 ? own : all
    const usual = median(samples.map((one) => one.tookSeconds))
    if (usual === null) return priorOf(contentType, mediaSeconds, sizeBytes)
    const speed = speedOf(samples)
    if (mediaSeconds !== null && speed !== null)
      return { seconds: mediaSeconds / speed, basis: 'length' }
    const perByte = median(
      samples.filter((one) => one.sizeBytes > 0).map((one) => one.tookSeconds / one.sizeBytes),
    )
    return sizeBytes <= 0 || perByte === null
      ? { seconds: usual, basis: 'usual' }
      : { seconds: sizeBytes * perByte, basis: 'size' }
  }

  /** How long one slot works on so many jobs of a content type, in seconds; null before one of them has completed. */
  secondsFor(contentType: string, jobs: number): number | null {
    if (jobs === 0) return 0
    const took = (this.#samples.get(contentType) ?? []).map(({ tookSeconds }) => tookSeconds)
    const usual = median(took)
    return usual === null ? null : jobs * usual
  }
}

/** When so much work is done, in seconds; null while nobody is there for it, or it is not known how much it is. */
export function drainSeconds(workSeconds: number | null, slots: number): number | null {
  if (workSeconds === 0) return 0
  return workSeconds === null || slots === 0 ? null : workSeconds / slots
}

function priorOf(contentType: string, mediaSeconds: number | null, sizeBytes: number): Length {
  const perSecond = PRIOR_BYTES_PER_SECOND[contentType] ?? PRIOR_BYTES_PER_SECOND_OF_OTHERS
  return {
    seconds: PRIOR_START_SECONDS + (mediaSeconds ?? sizeBytes / perSecond),
    basis: 'prior',
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
