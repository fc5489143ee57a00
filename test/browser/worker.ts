import assert from 'node:assert/strict'

interface HeldJob {
  job_id: string
  lease_token: string
}

/** A scripted worker, and client, over HTTP. */
export class HttpWorker {
  readonly #api: string
  readonly #id: string
  readonly #types: readonly string[]
  readonly #auth: Record<string, string>
  #claims = 0

  constructor(url: string, id: string, types: readonly string[], token: string | null = null) {
    this.#api = `${url}/api/v1`
    this.#id = id
    this.#types = types
    this.#auth = token === null ? {} : { authorization: `Bearer ${token}` }
  }

  /** Uploads a file. Returns the job's id. */
  async submit(
    filename: string,
    contentType: string,
    bytes: string | Uint8Array<ArrayBuffer> = 'speech',
  ): Promise<string> {
    const form = new FormData()
    form.set('content_type', contentType)
    form.set('file', new Blob([bytes]), filename)
    const answer = await fetch(`${this.#api}/remote-jobs/`, {
      method: 'POST',
      headers: this.#auth,
      body: form,
    })
    return ((await answer.json()) as HeldJob).job_id
  }

  /** Uploads a file through the original's `POST /process`, with a webhook. */
  async process(filename: string, contentType: string, webhookUrl: string): Promise<void> {
    const request = {
      mode: 'convert',
      source_type: 'file',
      content_type: contentType,
      webhook_config: { url: webhookUrl },
      metadata: { remote: true },
    }
    const form = new FormData()
    form.set('request_data', JSON.stringify(request))
    form.set('file', new Blob(['speech']), filename)
    const answer = await fetch(`${this.#api}/process`, {
      method: 'POST',
      headers: this.#auth,
      body: form,
    })
    assert.equal(answer.status, 200, await answer.text())
  }

  async take(): Promise<HeldJob> {
    this.#claims += 1
    const asked = {
      worker_id: this.#id,
      content_types: this.#types,
      claim_id: `${this.#id}-${this.#claims}`,
      wait_seconds: 20,
    }
    const { jobs } = (await this.#post('/remote-jobs/claim', asked)) as { jobs: HeldJob[] }
    assert.ok(jobs[0] !== undefined, 'no job came')
    return jobs[0]
  }

  /** Sends a heartbeat; null: idle. */
  async beat(job: HeldJob | null, progress = 0, checkpoint: object | null = null): Promise<void> {
    const seconds = { media_seconds: 60, processed_seconds: 30 }
    const one = { stage: 'transcribing', progress, ...seconds, checkpoint }
    await this.#post(`/workers/${this.#id}/heartbeat`, {
      state: job === null ? 'idle' : 'running',
      version: '1.2.3',
      slots: 2,
      device: 'GPU of a test',
      capabilities: { engines: ['echo'], models: ['large'], languages: null, features: [] },
      jobs: job === null ? [] : [{ job_id: job.job_id, lease_token: job.lease_token, ...one }],
    })
  }

  /** @param error_code the default blames the file, other codes the worker */
  async fail(
    { job_id, lease_token }: HeldJob,
    error_message: string,
    error_code = 'invalid_media',
  ): Promise<void> {
    const result = { success: false, error_code, error_message, lease_token }
    await this.#post(`/remote-jobs/${job_id}/result`, result, 'PUT')
  }

  async complete(
    { job_id, lease_token }: HeldJob,
    segments: object[],
    more: Record<string, unknown> = {},
  ): Promise<void> {
    const metadata = { duration: 60, language: 'en', segments, ...more }
    const result = { success: true, content: '# Talk', metadata, processing_time: 6, lease_token }
    await this.#post(`/remote-jobs/${job_id}/result`, result, 'PUT')
  }

  async #post(route: string, body: object, method = 'POST'): Promise<unknown> {
    const answer = await fetch(this.#api + route, {
      method,
      headers: { ...this.#auth, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    })
    const text = await answer.text()
    assert.equal(answer.status, 200, text)
    return JSON.parse(text)
  }
}
