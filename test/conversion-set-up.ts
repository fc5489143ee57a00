import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { run, type Running } from '../scripts/processes.ts'

export interface Status {
  job_id: string
  status: string
  worker_id: string | null
  error_code: string | null
  error_message: string | null
  retry_count: number
  attempt: number
  stage: string | null
  progress: number | null
}

export interface Detail extends Status {
  attempts: { number: number; worker_id: string; outcome: string | null }[]
}

export interface Result {
  content: string
  metadata: {
    has_speech: boolean
    duration: number
    warnings: string[]
    segments: { start: number; end: number; text: string; speaker?: string }[]
  }
}

/** How often a client looks at its job. Each look takes the coordinator and the test some milliseconds. */
export const LOOK_MS = 100

/** What a test does as a client. */
export class TestClient {
  readonly #api: string

  constructor(url: string) {
    this.#api = `${url}/api/v1/remote-jobs`
  }

  async upload(file: string, contentType: string, taskOptions: object = {}): Promise<string> {
    const form = new FormData()
    form.set('content_type', contentType)
    form.set('task_options', JSON.stringify(taskOptions))
    form.set('file', new Blob([await readFile(file)]), path.basename(file))
    const answer = await fetch(`${this.#api}/`, { method: 'POST', body: form })
    return ((await answer.json()) as Status).job_id
  }

  async detail(jobId: string): Promise<Detail> {
    return (await (await fetch(`${this.#api}/${jobId}`)).json()) as Detail
  }

  async result(jobId: string): Promise<Result> {
    return (await (await fetch(`${this.#api}/${jobId}/result`)).json()) as Result
  }

  async cancel(jobId: string): Promise<void> {
    await fetch(`${this.#api}/${jobId}/cancel`, { method: 'POST' })
  }

  /** Looks at the job until it fits; while the coordinator is away it looks again. */
  async until(jobId: string, fits: (job: Detail) => boolean): Promise<Detail> {
    for (;;) {
      const job = await this.detail(jobId).catch(() => null)
      if (job !== null && fits(job)) return job
      await delay(LOOK_MS)
    }
  }

  async ended(jobId: string): Promise<Detail> {
    return await this.until(jobId, ({ status }) => !['pending', 'processing'].includes(status))
  }
}

/** An agent as a GPU host starts it. */
export function startAgent(
  url: string,
  folder: string,
  workerId: string,
  ...args: string[]
): Running {
  const flags = ['--worker-id', workerId, '--work-dir', path.join(folder, 'work')]
  return run('agent', ['start', '--url', url, '--types', 'audio,video', ...flags, ...args])
}
