import { SECOND } from '../../shared/duration.ts'
import { toWire } from '../../shared/keys.ts'
import { VERSION } from '../../shared/version.ts'
import type { Claims } from '../leases/claims.ts'
import type { DiskSpace } from '../blobs/disk.ts'
import type { Estimates } from '../job/estimate.ts'
import type { Job } from '../job/job.ts'
import type { Jobs } from '../jobs.ts'
import type { StorageHealth } from '../open-storage.ts'
import type { Views } from '../views.ts'
import { PRESENT, type Workers } from '../leases/workers.ts'
import type { Change } from './change-log.ts'
import { queueView } from './queue-view.ts'
import type { Reader } from './reader.ts'

export interface TextsOptions {
  jobs: Jobs
  workers: Workers
  claims: Claims
  views: Views
  estimates: Estimates
  health: Pick<StorageHealth, 'detail'>
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
  /** Null: not about a job, or of one that nobody has seen. */
  job: Owned | null
}

type Owned = Pick<Job, 'submittedBy'>

export const SNAPSHOT_JOBS = 200
/** Jobs whose submitters are remembered. */
const SHOWN_JOBS = 4_096

export class Texts {
  readonly #options: TextsOptions
  /** Whose jobs were shown: of one that another coordinator has removed, nothing else is known. */
  readonly #shown = new Map<string, Owned>()
  disk: DiskSpace | null = null

  constructor(options: TextsOptions) {
    this.#options = options
  }

  /** @param submittedBy whose jobs alone; undefined: all, and the workers. */
  async snapshot(id: string, submittedBy: string | null | undefined): Promise<string> {
    const { jobs, views } = this.#options
    const newest = await jobs.reader.list({ submittedBy }, SNAPSHOT_JOBS)
    for (const job of newest.jobs) this.#show(job)
    const workers = submittedBy === undefined ? await views.allWorkers() : '[]'
    const rest = jsonOf({
      version: VERSION,
      nowAt: jobs.now(),
      workerLostAfterSeconds: PRESENT / SECOND,
      queue: await this.#queue(submittedBy),
      jobs: newest.jobs.map((job) => views.summary(job)),
    })
    return frame(id, 'snapshot', `${rest.slice(0, -1)},"workers":${workers}}`)
  }

  /** @returns the text of changes for a reader, made once for all readers of all jobs. */
  async textOf(changes: Changes): Promise<(reader: Reader) => Promise<string>> {
    const frames = await this.#framesOf(changes)
    const everything = frames.map(({ text }) => text).join('')
    return async (reader) => {
      const { submittedBy } = reader
      if (submittedBy === undefined) return everything
      const visible = frames.map(async ({ key, id, text, job }) => {
        if (key === QUEUE) return frameText(id, 'queue', await this.#queue(submittedBy))
        return job !== null && reader.sees(job) ? text : ''
      })
      return (await Promise.all(visible)).join('')
    }
  }

  async #framesOf(changes: Changes): Promise<Frame[]> {
    const { jobs, views } = this.#options
    const ids = changes.filter(({ key }) => isWorkerKey(key)).map(({ key }) => idIn(key))
    const found = await views.workers(ids)
    const workers = new Map(found.map((one) => [one.workerId, one]))
    const frames = changes.map(async ({ id, key, note }): Promise<Frame> => {
      if (key === QUEUE)
        return { key, id, text: frameText(id, 'queue', await this.#queue()), job: null }
      const of = idIn(key)
      if (isWorkerKey(key)) {
        const worker = workers.get(of) ?? { workerId: of, removed: true }
        return { key, id, text: frameText(id, 'worker', worker), job: null }
      }
      const job = await jobs.find(of)
      if (job !== undefined) this.#show(job)
      const data = job === undefined ? { jobId: of, removed: true } : views.summary(job)
      return {
        key,
        id,
        text: frameText(id, 'job', data),
        job: job ?? note ?? this.#shown.get(of) ?? null,
      }
    })
    return await Promise.all(frames)
  }

  #show({ jobId, submittedBy }: Job): void {
    this.#shown.delete(jobId)
    this.#shown.set(jobId, { submittedBy })
    for (const oldest of this.#shown.keys()) {
      if (this.#shown.size <= SHOWN_JOBS) break
      this.#shown.delete(oldest)
    }
  }

  async #queue(submittedBy?: string | null): Promise<object> {
    const { claims, jobs, health } = this.#options
    return queueView(await jobs.reader.counts(submittedBy), this.#options, {
      waitingClaims: claims.waiting,
      failure: health.detail,
      disk: this.disk,
    })
  }
}

/** An event as it is sent. @param id null: nothing to resume from. */
export function frameText(id: string | null, event: string, data: unknown): string {
  return frame(id, event, jsonOf(data))
}

function frame(id: string | null, event: string, json: string): string {
  const head = id === null ? '' : `id: ${id}\n`
  return `${head}event: ${event}\ndata: ${json}\n\n`
}

function jsonOf(data: unknown): string {
  return JSON.stringify(toWire(data))
}
