import { randomUUID } from 'node:crypto'
import type { RunningCoordinator } from '../../scripts/processes.ts'

/** A multipart form as bytes: what was sent can be compared with what came. */
export interface Form {
  headers: { 'content-type': string }
  body: Uint8Array<ArrayBuffer>
}

interface FileToSend {
  filename: string
  content: Uint8Array | string
  mediaType?: string
}

/** The form of `POST /process`. @param fileFirst else `request_data` goes before it. */
export function processForm(requestData: object, file: FileToSend, fileFirst = false): Form {
  const boundary = `form-${randomUUID()}`
  const part = (head: string, content: Uint8Array): Buffer =>
    Buffer.concat([
      Buffer.from(`--${boundary}\r\nContent-Disposition: form-data; ${head}\r\n\r\n`),
      content,
      Buffer.from('\r\n'),
    ])
  const { filename, content, mediaType = 'application/octet-stream' } = file
  const parts = [
    part('name="request_data"', Buffer.from(JSON.stringify(requestData))),
    part(`name="file"; filename="${filename}"\r\nContent-Type: ${mediaType}`, Buffer.from(content)),
  ]
  if (fileFirst) parts.reverse()
  const body = Buffer.concat([...parts, Buffer.from(`--${boundary}--\r\n`)])
  return {
    headers: { 'content-type': `multipart/form-data; boundary=${boundary}` },
    body: new Uint8Array(body),
  }
}

/** A job as `claim` gives it. */
export interface ClaimedJob {
  job_id: string
  lease_token: string
  source: { url: string; filename: string }
}

interface Detail {
  status: string
  continuation: { id: string; steps: { step: string; state: string; tries: number }[] } | null
}

/** What clients and workers ask a coordinator, by plain HTTP. */
export class ProcessClient {
  readonly #url: string
  readonly #headers: Record<string, string>

  constructor(url: string, apiKey: string | null = null) {
    this.#url = url
    this.#headers = apiKey === null ? {} : { authorization: `Bearer ${apiKey}` }
  }

  /** An answer's text. @throws {Error} when it is another than 200. */
  async ask(method: string, route: string, json?: object): Promise<string> {
    const headers = { ...this.#headers, 'content-type': 'application/json' }
    const body = json === undefined ? {} : { body: JSON.stringify(json) }
    const answer = await fetch(`${this.#url}/api/v1${route}`, { method, headers, ...body })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`${method} ${route}: ${answer.status} ${text}`)
    return text
  }

  /** Has a file processed; the answer. */
  async process({ headers, body }: Form): Promise<{ job_id: string; task_id: string }> {
    const all = { ...this.#headers, ...headers }
    const answer = await fetch(`${this.#url}/api/v1/process`, {
      method: 'POST',
      headers: all,
      body,
    })
    const text = await answer.text()
    if (answer.status !== 200) throw new Error(`process: ${answer.status} ${text}`)
    return JSON.parse(text) as { job_id: string; task_id: string }
  }

  async jobs(): Promise<{ job_id: string }[]> {
    return (JSON.parse(await this.ask('GET', '/remote-jobs/')) as { jobs: { job_id: string }[] })
      .jobs
  }

  async detail(jobId: string): Promise<Detail> {
    return JSON.parse(await this.ask('GET', `/remote-jobs/${jobId}`)) as Detail
  }

  /** The one job that waits. */
  async claim(): Promise<ClaimedJob> {
    const request = { worker_id: 'by-hand', content_types: ['audio'], claim_id: randomUUID() }
    const text = await this.ask('POST', '/remote-jobs/claim', request)
    const { jobs } = JSON.parse(text) as { jobs: ClaimedJob[] }
    return jobs[0]!
  }

  /** Hands a text in as a worker does. */
  async finish({ job_id: jobId, lease_token }: ClaimedJob, content: string): Promise<string> {
    const request = { success: true, content, metadata: {}, lease_token }
    return await this.ask('PUT', `/remote-jobs/${jobId}/result`, request)
  }
}

/** When the coordinator has said that a step of a job is so far. */
export async function stepIs(
  coordinator: RunningCoordinator,
  jobId: string,
  step: 'webhook' | 'ingest',
  state: 'pending' | 'done',
): Promise<void> {
  await coordinator.line((line) => {
    if (!line.includes(`"${step} ${state}"`)) return false
    return (JSON.parse(line) as { job_id?: string }).job_id === jobId
  })
}
