import { createHash } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import { API } from '../../../shared/wire.ts'
import { Connection } from './connection.ts'

/** A part of the fleet, which a process of its own simulates. */
export interface Part {
  url: string
  /** The numbers of its agents: from one to before the other. */
  from: number
  to: number
  /** Within this time they all come. */
  rampMs: number
  workMs: number
}

/** What it says to its parent. */
export type Said = { picked: string; at: number } | { refused: string }

interface Claimed {
  job_id: string
  lease_token: string
}

const WAIT_SECONDS = 30
const BEAT_MS = 20_000
/** Each new stage, and each tenth of a recording. */
const BEATS_OF_JOB = 12
/** Heartbeats and results come over so many connections, as by a reverse proxy. */
const SHARED = 32

const CAPABILITIES = {
  engines: ['whisper.cpp'],
  models: ['large-v3-turbo', 'small'],
  features: ['words', 'translate'],
  languages: null,
}
const DEVICES = [{ index: 0, name: 'NVIDIA L4', memory_mb: 23_034, driver: '570.86', kind: 'cuda' }]

/** The token of the n-th agent. */
export function tokenOf(n: number): string {
  return `morag_${createHash('sha256').update(`agent ${n}`).digest('base64url')}`
}

/** Comparable between processes, in ms. */
export function now(): number {
  return performance.timeOrigin + performance.now()
}

if (process.send !== undefined) process.once('message', (part: Part) => run(part))

function run({ url, from, to, rampMs, workMs }: Part): void {
  const shared = Array.from({ length: SHARED }, () => new Connection(url))
  for (let n = from; n < to; n += 1) {
    const agent = new Agent(n, new Connection(url), shared[n % SHARED]!, workMs)
    void agent.work((rampMs * (n - from)) / (to - from))
  }
}

function say(said: Said): void {
  process.send!(said)
}

/** One call that always waits, and heartbeats; as ours do, but that the work is a pause. */
class Agent {
  readonly #n: number
  readonly #token: string
  readonly #polls: Connection
  readonly #shared: Connection
  readonly #workMs: number
  readonly #jobs = new Map<string, { claimed: Claimed; progress: number }>()

  constructor(n: number, polls: Connection, shared: Connection, workMs: number) {
    this.#n = n
    this.#token = tokenOf(n)
    this.#polls = polls
    this.#shared = shared
    this.#workMs = workMs
  }

  async work(afterMs: number): Promise<void> {
    await sleep(afterMs)
    await this.#beat()
    void this.#beats()
    for (let asked = 0; ; asked += 1) {
      const answer = await this.#send(this.#polls, 'POST', '/remote-jobs/claim', {
        worker_id: this.#id,
        content_types: ['audio', 'video'],
        wait_seconds: WAIT_SECONDS,
        claim_id: `${this.#n}-${asked}`,
        prefetch: this.#jobs.size > 0,
      })
      if (answer === null) await sleep(1_000)
      for (const claimed of (answer as { jobs: Claimed[] } | null)?.jobs ?? []) {
        say({ picked: claimed.job_id, at: now() })
        void this.#do(claimed)
      }
    }
  }

  get #id(): string {
    return `agent-${this.#n}`
  }

  async #beats(): Promise<void> {
    for (;;) {
      await sleep(BEAT_MS * (0.9 + 0.2 * Math.random()))
      await this.#beat()
    }
  }

  async #do(claimed: Claimed): Promise<void> {
    const job = { claimed, progress: 0 }
    this.#jobs.set(claimed.job_id, job)
    for (let beat = 1; beat <= BEATS_OF_JOB; beat += 1) {
      await sleep(this.#workMs / BEATS_OF_JOB)
      job.progress = beat / BEATS_OF_JOB
      await this.#beat()
    }
    this.#jobs.delete(claimed.job_id)
    await this.#send(this.#shared, 'PUT', `/remote-jobs/${claimed.job_id}/result`, {
      success: true,
      content: 'A few words.',
      lease_token: claimed.lease_token,
    })
  }

  async #beat(): Promise<void> {
    await this.#send(this.#shared, 'POST', `/workers/${this.#id}/heartbeat`, {
      state: this.#jobs.size > 0 ? 'running' : 'idle',
      version: '1.0.0',
      slots: 1,
      device: 'cuda',
      capabilities: CAPABILITIES,
      devices: DEVICES,
      paused: [],
      jobs: [...this.#jobs.values()].map(({ claimed: { job_id, lease_token }, progress }) => {
        return { job_id, lease_token, stage: 'transcribing', progress }
      }),
    })
  }

  /** The answer; null: it was refused. */
  async #send(by: Connection, method: string, route: string, body: object): Promise<unknown> {
    try {
      const { status, text } = await by.send(method, `${API}${route}`, this.#token, body)
      if (status === 200) return JSON.parse(text)
      say({ refused: `${status} ${text.slice(0, 200)}` })
    } catch (error) {
      say({ refused: String(error) })
    }
    return null
  }
}
