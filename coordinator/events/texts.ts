import { SECOND } from '../../shared/duration.ts'
import { toWire } from '../../shared/keys.ts'
import { VERSION } from '../../shared/version.ts'
import type { Claims } from '../leases/claims.ts'
import type { DiskSpace } from '../blobs/disk.ts'
import type { Estimates } from '../job/estimate.ts'
import type { Job } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import type { FileJobStore } from '../storage/store.ts'
import type { Tally } from './tally.ts'
import type { Views } from '../views.ts'
import { PRESENT, type Workers } from '../leases/workers.ts'
import type { Change } from './change-log.ts'
import { queueView } from './queue-view.ts'
import type { JobFilter, Reader } from './reader.ts'

export interface TextsOptions {
  jobs: Jobs
  workers: Workers
  claims: Claims
  views: Views
  estimates: Estimates
  store: Pick<FileJobStore, 'failure' | 'foldersBehind'>
}

/** Keys of what may change: the queue, a job, a worker. */
export const QUEUE = 'queue'

export function jobKey(jobId: string): string {
  return `job ${jobId}`
}

export function workerKey(workerId: string): string {
  return `worker ${workerId}`
}

function isWorkerKey(key: string): boolean {
  return key.startsWith('worker ')
}

function idIn(key: string): string {
  return key.slice(key.indexOf(' ') + 1)
}

/** Changes, each with the remains of a removed job, for the readers' filters. */
export type Changes = readonly Change<Job | null>[]

interface Frame {
  key: string
  id: string
  text: string
  /** Null: not about a job. */
  job: Job | null
}

const SNAPSHOT_JOBS = 200

export class Texts {
  readonly #options: TextsOptions
  readonly #tally: Tally
  disk: DiskSpace | null = null

  constructor(options: TextsOptions, tally: Tally) {
    this.#options = options
    this.#tally = tally
  }

  snapshot(id: string, { filter, tally }: Reader): string {
    const { jobs, views } = this.#options
    return frameText(id, 'snapshot', {
      version: VERSION,
      nowAt: jobs.now(),
      workerLostAfterSeconds: PRESENT / SECOND,
      queue: this.#queue(tally),
      workers: filter === null ? views.workers() : [],
      jobs: Array.from(newest(jobs, filter ?? (() => true)), (job) => views.summary(job)),
    })
  }

  /** @returns the text of changes for a reader, made once for all readers without a filter. */
  textOf(changes: Changes): (reader: Reader) => string {
    const frames = this.#framesOf(changes)
    const everything = frames.map(({ text }) => text).join('')
    return ({ filter, tally }) => {
      if (filter === null) return everything
      const visible = frames.map(({ key, id, text, job }) => {
        if (key === QUEUE) return frameText(id, 'queue', this.#queue(tally))
        return job !== null && filter(job) ? text : ''
      })
      return visible.join('')
    }
  }

  #framesOf(changes: Changes): Frame[] {
    const { jobs, views } = this.#options
    const ids = changes.filter(({ key }) => isWorkerKey(key)).map(({ key }) => idIn(key))
    const workers = new Map(views.workers(new Set(ids)).map((one) => [one.workerId, one]))
    return changes.map(({ id, key, note }): Frame => {
      if (key === QUEUE)
        return { key, id, text: frameText(id, 'queue', this.#queue(this.#tally)), job: null }
      const of = idIn(key)
      if (isWorkerKey(key)) {
        const worker = workers.get(of) ?? { workerId: of, removed: true }
        return { key, id, text: frameText(id, 'worker', worker), job: null }
      }
      const job = jobs.find(of)
      const data = job === undefined ? { jobId: of, removed: true } : views.summary(job)
      return { key, id, text: frameText(id, 'job', data), job: job ?? note }
    })
  }

  #queue(tally: Tally): object {
    const { claims, store } = this.#options
    return queueView(tally, this.#options, {
      waitingClaims: claims.waiting,
      failure: store.failure?.message ?? store.foldersBehind,
      disk: this.disk,
    })
  }
}

/** The newest jobs, as many as a snapshot shows. */
export function* newest(jobs: Jobs, fits: JobFilter): Iterable<Job> {
  let left = SNAPSHOT_JOBS
  for (const job of jobs.newest()) {
    if (!fits(job)) continue
    yield job
    left -= 1
    if (left === 0) return
  }
}

/** An event as it is sent. @param id null: nothing to resume from. */
export function frameText(id: string | null, event: string, data: unknown): string {
  const head = id === null ? '' : `id: ${id}\n`
  return `${head}event: ${event}\ndata: ${JSON.stringify(toWire(data))}\n\n`
}
