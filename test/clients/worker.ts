import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'

interface Claimed {
  job_id: string
  lease_token: string
  source: { url: string; filename: string; sha256: string }
}

/** A worker by HTTP that hears in every file what its name says. */
export class Worker {
  readonly #url: string
  readonly #headers: Record<string, string>
  readonly #claimed = new Map<string, Claimed>()
  readonly #delivered = new Set<string>()
  #claims = 0
  #taking: Promise<unknown> = Promise.resolve()

  constructor(url: string, apiKey: string) {
    this.#url = url
    this.#headers = { authorization: `Bearer ${apiKey}`, 'content-type': 'application/json' }
  }

  /** Takes a job, and delivers the transcript of its file; once, however often it is asked to. */
  async deliver(jobId: string): Promise<void> {
    if (this.#delivered.has(jobId)) return
    this.#delivered.add(jobId)
    // One at a time: who is first may get the jobs of others too.
    const taken = this.#taking.then(async () => await this.#take(jobId))
    this.#taking = taken.catch(() => undefined)
    const job = await taken
    const headers = { ...this.#headers, 'morag-lease': job.lease_token }
    const source = await fetch(this.#url + job.source.url, { headers })
    const bytes = Buffer.from(await source.arrayBuffer())
    assert.equal(createHash('sha256').update(bytes).digest('hex'), job.source.sha256)
    const { status } = await this.#send('PUT', `/remote-jobs/${jobId}/result`, {
      success: true,
      content: `# Audio Transcription: ${job.source.filename}\n\n[00:00] ${bytes.toString()}`,
      metadata: { duration: 2.5, segments: [{ start: 0, end: 2.5, text: bytes.toString() }] },
      lease_token: job.lease_token,
    })
    assert.equal(status, 200)
  }

  async #take(jobId: string): Promise<Claimed> {
    const before = this.#claimed.get(jobId)
    if (before !== undefined) return before
    this.#claims += 1
    const answer = await this.#send('POST', '/remote-jobs/claim', {
      worker_id: 'w1',
      content_types: ['audio'],
      claim_id: `claim ${this.#claims} of ${this.#url}`,
      max_jobs: 10,
    })
    const { jobs } = (await answer.json()) as { jobs: Claimed[] }
    for (const job of jobs) this.#claimed.set(job.job_id, job)
    const job = this.#claimed.get(jobId)
    assert.ok(job !== undefined, `${jobId} is not to be had`)
    return job
  }

  async #send(method: string, route: string, body: object): Promise<Response> {
    const request = { method, headers: this.#headers, body: JSON.stringify(body) }
    return await fetch(`${this.#url}/api/v1${route}`, request)
  }
}
