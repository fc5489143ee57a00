import { Agent, request } from 'undici'

/** A few keep-alive connections to one coordinator; every answer must be 200. */
export class Api {
  readonly #base: string
  readonly #agent: Agent
  readonly #key: string | null

  constructor(url: string, connections = 1_100, key: string | null = null) {
    this.#key = key
    this.#base = `${url}/api/v1`
    this.#agent = new Agent({ connections, headersTimeout: 0, bodyTimeout: 0 })
  }

  async send(method: 'GET' | 'POST' | 'PUT', path: string, body?: object): Promise<unknown> {
    const answer = await request(`${this.#base}${path}`, {
      method,
      dispatcher: this.#agent,
      headers: {
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...(this.#key !== null && { authorization: `Bearer ${this.#key}` }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.body.text()
    if (answer.statusCode !== 200)
      throw new Error(`${method} ${path}: ${answer.statusCode} ${text}`)
    return JSON.parse(text)
  }

  async create(file: string, taskOptions: object = {}): Promise<string> {
    const body = {
      source_file_path: file,
      content_type: 'audio',
      ingestion_task_id: 'bench',
      task_options: taskOptions,
    }
    return ((await this.send('POST', '/remote-jobs/', body)) as { job_id: string }).job_id
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}
