import { createRequire } from 'node:module'
import path from 'node:path'
import { serve } from '@hono/node-server'
import { Hono } from 'hono'
import { API } from '../../../shared/wire.ts'

/** What is used here of BullMQ, which is no dependency of ours. */
interface Bull {
  Queue: new (name: string, options: object) => BullJobs
  Worker: new (name: string, processor: null, options: object) => BullWorker
}
interface BullJobs {
  add(name: string, data: object): Promise<{ id: string; timestamp: number }>
  close(): Promise<void>
}
interface BullWorker {
  getNextJob(token: string, options: { block: boolean }): Promise<BullJob | undefined>
  waitUntilReady(): Promise<unknown>
  close(): Promise<void>
}
interface BullJob {
  id: string
  data: object
  moveToCompleted(result: object, token: string, fetchNext: false): Promise<unknown>
}

/** The cycles of a coordinator, done by BullMQ: each step is one script in Redis. */
export class BullQueue {
  readonly #jobs: BullJobs
  readonly #worker: BullWorker
  readonly #active = new Map<string, BullJob>()

  private constructor(jobs: BullJobs, worker: BullWorker) {
    this.#jobs = jobs
    this.#worker = worker
  }

  /** @param folder where npm has installed it. @param socket of the Redis. */
  static async open(folder: string, socket: string): Promise<BullQueue> {
    const { Queue, Worker } = createRequire(path.join(folder, 'x.js'))('bullmq') as Bull
    const connection = { path: socket, maxRetriesPerRequest: null }
    const worker = new Worker('audio', null, { connection, autorun: false })
    await worker.waitUntilReady()
    return new BullQueue(new Queue('audio', { connection }), worker)
  }

  readonly cycle = async (n: number, workerId: string): Promise<void> => {
    await this.#create({
      source_file_path: '/media/source.wav',
      content_type: 'audio',
      ingestion_task_id: 'bench',
      task_options: {},
    })
    const job = await this.#claim(`${workerId} ${n}`)
    const result = { success: true, content: 'A few words.' }
    if (job !== null) await this.#finish(job.job_id, job.lease_token, result)
  }

  /** The same steps behind three routes with a coordinator's bodies, unchecked. @returns the URL. */
  async serve(): Promise<string> {
    const app = new Hono()
    app.post(`${API}/remote-jobs/`, async (c) => c.json(await this.#create(await c.req.json())))
    app.post(`${API}/remote-jobs/claim`, async (c) => {
      const { claim_id: claimId } = await c.req.json<{ claim_id: string }>()
      const job = await this.#claim(claimId)
      return c.json({ jobs: job === null ? [] : [job], retry_after_seconds: 0 })
    })
    app.put(`${API}/remote-jobs/:id/result`, async (c) => {
      const { lease_token: token, ...result } = await c.req.json<{ lease_token: string }>()
      await this.#finish(c.req.param('id'), token, result)
      return c.json({ status: 'completed', ingestion_continued: false })
    })
    return await new Promise((resolve) => {
      serve({ fetch: app.fetch, hostname: '127.0.0.1', port: 0 }, ({ port }) =>
        resolve(`http://127.0.0.1:${port}`),
      )
    })
  }

  async close(): Promise<void> {
    await this.#worker.close()
    await this.#jobs.close()
  }

  async #create(data: object) {
    const { id, timestamp } = await this.#jobs.add('audio', data)
    return { job_id: id, status: 'pending', created_at: new Date(timestamp).toISOString() }
  }

  async #claim(token: string) {
    const job = await this.#worker.getNextJob(token, { block: false })
    if (job === undefined) return null
    this.#active.set(job.id, job)
    return { job_id: job.id, lease_token: token, ...job.data }
  }

  async #finish(jobId: string, token: string, result: object): Promise<void> {
    await this.#active.get(jobId)!.moveToCompleted(result, token, false)
    this.#active.delete(jobId)
  }
}
