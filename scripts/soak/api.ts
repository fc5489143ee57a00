import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request, type Dispatcher } from 'undici'
import { hasMark } from '../../shared/coordinator-mark.ts'
import { SECOND } from '../../shared/duration.ts'
import type { Records } from './records.ts'

export interface Answer {
  status: number
  body: Record<string, unknown>
}

export interface Sent {
  json?: unknown
  raw?: Buffer
  headers?: Record<string, string>
  signal?: AbortSignal
}

const EXPECTED = [200, 206, 403, 404, 409, 429, 503, 507]
/** A pause that the other side asks for is kept, but a run has an end. */
const MOST_PAUSE_MS = 10 * SECOND

/** Requests below `/api/v1` over connections that may be cut, to a coordinator that may be gone. */
export class SoakApi {
  readonly #base: string
  readonly #records: Records
  readonly #agent: Agent

  constructor(url: string, records: Records, connections: number) {
    this.#base = `${url}/api/v1`
    this.#records = records
    this.#agent = new Agent({ connections, pipelining: 1, headersTimeout: 180 * SECOND })
  }

  /** One request; null without an answer: its outcome is unknown. */
  async try(method: 'GET' | 'POST' | 'PUT', path: string, sent: Sent = {}): Promise<Answer | null> {
    const { json, raw, headers = {}, signal } = sent
    const body = json === undefined ? (raw ?? null) : JSON.stringify(json)
    try {
      const answer = await request(`${this.#base}${path}`, {
        method,
        dispatcher: this.#agent,
        headers: { ...(json !== undefined && { 'content-type': 'application/json' }), ...headers },
        body,
        ...(signal !== undefined && { signal }),
      })
      const text = await answer.body.text()
      const status = answer.statusCode
      if (!hasMark(answer.headers)) return this.#unmarked(`${method} ${path}: ${status}`, answer)
      if (!EXPECTED.includes(status))
        this.#records.surprises.push(`${method} ${path}: ${status} ${text.slice(0, 200)}`)
      if (status === 429 || status === 503) {
        this.#records.count(`asked to wait (${status})`)
        const seconds = Number(answer.headers['retry-after'])
        if (!(seconds > 0))
          this.#records.surprises.push(`${method} ${path}: ${status} says not when`)
        await delay(Math.min(MOST_PAUSE_MS, (seconds || 1) * SECOND))
        return null
      }
      return { status, body: status === 206 ? {} : parsed(text) }
    } catch {
      return null
    }
  }

  /** An answer of something on the way: it says nothing of what was asked. */
  #unmarked(what: string, { headers, statusCode }: Dispatcher.ResponseData): null {
    if (headers['server'] === 'edge') this.#records.count(`answered by the edge (${statusCode})`)
    else this.#records.surprises.push(`${what} without the coordinator's mark`)
    return null
  }

  /** The same until it is answered; null once `isOver` is true. */
  async persist(
    isOver: () => boolean,
    random: () => number,
    once: () => Promise<Answer | null>,
  ): Promise<Answer | null> {
    for (;;) {
      const answer = await once()
      if (answer !== null || isOver()) return answer
      await delay(100 + 400 * random())
    }
  }

  /** Fetches a file from a byte on; how many came before all was there or something was cut, and whether that is all. */
  async download(
    path: string,
    from: number,
    headers: Record<string, string>,
    most: number,
  ): Promise<{ bytes: number; status: number | null }> {
    const range = from === 0 ? {} : { range: `bytes=${from}-` }
    let bytes = 0
    try {
      const answer = await request(`${this.#base}${path}`, {
        dispatcher: this.#agent,
        headers: { ...headers, ...range },
      })
      if (!hasMark(answer.headers)) {
        await answer.body.dump()
        return { bytes, status: null }
      }
      const { statusCode: status } = answer
      for await (const chunk of answer.body) {
        bytes += (chunk as Buffer).length
        if (from + bytes >= most) break
      }
      return { bytes, status }
    } catch {
      return { bytes, status: null }
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }
}

function parsed(text: string): Record<string, unknown> {
  try {
    return JSON.parse(text) as Record<string, unknown>
  } catch {
    return {}
  }
}
