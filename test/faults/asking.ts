import type { Claimed } from '../coordinator/running.ts'

/** What a coordinator answered. */
export interface Answer {
  status: number
  headers: Headers
  body: Record<string, unknown>
}

/** Requests below `/api/v1` of a coordinator, as clients and workers send them. */
export class Asking {
  readonly api: string

  constructor(url: string) {
    this.api = `${url}/api/v1`
  }

  async send(method: string, path: string, json?: unknown, headers = {}): Promise<Answer> {
    const answer = await fetch(`${this.api}${path}`, {
      method,
      headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
      ...(json !== undefined && { body: JSON.stringify(json) }),
    })
    const { status, headers: answered } = answer
    const body = (await answer.json().catch(() => ({}))) as Record<string, unknown>
    return { status, headers: answered, body }
  }

  async create(
    file: string,
    different: Record<string, unknown> = {},
    headers = {},
  ): Promise<Answer> {
    const usual = { source_file_path: file, content_type: 'audio', ingestion_task_id: 'fault' }
    return await this.send('POST', '/remote-jobs/', { ...usual, ...different }, headers)
  }

  /** Sends a file of this many bytes. */
  async upload(bytes: number): Promise<Answer> {
    const form = new FormData()
    form.append('content_type', 'audio')
    form.append('file', new Blob([new Uint8Array(bytes)]), 'talk.mp3')
    const answer = await fetch(`${this.api}/remote-jobs/`, { method: 'POST', body: form })
    const { status, headers } = answer
    return { status, headers, body: (await answer.json()) as Record<string, unknown> }
  }

  async claim(workerId: string, different: Record<string, unknown> = {}): Promise<Answer> {
    const usual = { content_types: ['audio'], claim_id: `claim of ${workerId}` }
    return await this.send('POST', '/remote-jobs/claim', {
      worker_id: workerId,
      ...usual,
      ...different,
    })
  }

  async claimed(workerId: string, different: Record<string, unknown> = {}): Promise<Claimed[]> {
    return (await this.claim(workerId, different)).body['jobs'] as Claimed[]
  }

  async finish(job: Claimed, content: string): Promise<Answer> {
    const body = { success: true, content, lease_token: job.lease_token }
    return await this.send('PUT', `/remote-jobs/${job.job_id}/result`, body)
  }

  async beat(workerId: string, jobs: readonly Claimed[], more: object = {}): Promise<Answer> {
    return await this.send('POST', `/workers/${workerId}/heartbeat`, {
      state: 'running',
      version: '1',
      slots: 1,
      jobs: jobs.map(({ job_id, lease_token }) => ({
        job_id,
        lease_token,
        stage: 'transcribing',
        progress: 0.5,
        ...more,
      })),
    })
  }

  /** The ids of all jobs there are. */
  async all(): Promise<string[]> {
    const ids: string[] = []
    let cursor: string | null = ''
    do {
      const query: string = `limit=500${cursor === '' ? '' : `&cursor=${encodeURIComponent(cursor)}`}`
      const { body } = await this.send('GET', `/remote-jobs/?${query}`)
      ids.push(...(body['jobs'] as { job_id: string }[]).map(({ job_id }) => job_id))
      cursor = body['next_cursor'] as string | null
    } while (cursor !== null)
    return ids
  }
}
