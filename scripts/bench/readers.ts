import { readFileSync } from 'node:fs'
import { connect } from 'node:net'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { Agent, request } from 'undici'
import { startCoordinator, type RunningCoordinator } from '../processes.ts'
import { residentMb } from '../process-tree.ts'
import { peaksDuring } from './memory.ts'
import type { Measure } from './report.ts'

const SEGMENTS = 250_000
const FORMS = ['srt', 'vtt', 'txt', 'md', 'json'] as const
const MOST_MS = 50
const MOST_GROWTH_MB = 500

/** How long the event loop stands still at most, and what memory is taken, while the largest results come in and go out. */
export async function readers(folder: string, file: string): Promise<Measure[]> {
  const dataDir = path.join(folder, 'readers')
  const coordinator = await startCoordinator(dataDir, folder, { built: true })
  const site = new Site(coordinator)
  const measures: Measure[] = []
  const measure = async (name: string, work: () => Promise<unknown>): Promise<void> => {
    const { longestMs, loopMs, waitedMs, peakMb, grownMb } = await site.during(work)
    const cpu = Number.isNaN(loopMs)
      ? ''
      : ` (CPU ${loopMs.toFixed(0)}, waited ${waitedMs.toFixed(0)})`
    measures.push({
      name,
      value: `${longestMs.toFixed(0)} ms${cpu}, ${peakMb.toFixed(0)} MB`,
      promise: `the loop never stands for ${MOST_MS} ms, memory grows by less than ${MOST_GROWTH_MB} MB`,
      kept: longestMs < MOST_MS && grownMb < MOST_GROWTH_MB,
    })
  }
  try {
    const jobs: string[] = []
    const body = JSON.stringify({ success: true, ...transcript() })
    for (let i = 0; i < 9; i += 1) jobs.push(await site.claimed(file))
    await measure('a result of 250 000 segments comes in', () => site.finish(jobs[0]!, body))
    await measure('the same again', () => site.finish(jobs[0]!, body))
    for (const jobId of jobs.slice(1)) await site.finish(jobId, body)
    const [first, ...others] = jobs as [string, ...string[]]
    await measure('one reader of result.srt', () => site.read(`${first}/result.srt`))
    await measure('one reader of the JSON', () => site.read(`${first}/result`))
    await measure('8 readers of forms of 8 results', () =>
      Promise.all(others.map((id, i) => site.read(`${id}/result.${FORMS[i % FORMS.length]!}`))),
    )
    await measure('80 readers of forms of 8 results', () =>
      Promise.all(
        Array.from({ length: 80 }, (_, i) =>
          site.read(`${others[i % 8]!}/result.${FORMS[i % FORMS.length]!}`),
        ),
      ),
    )
    await measure('80 readers of the JSON that take nothing', () => site.stall(others, 80))
    const resumed = await site.claimed(file)
    await measure('a heartbeat with a checkpoint of 15 MiB', () => site.beat(resumed, checkpoint()))
    await site.giveBack(resumed)
    await measure('the claim that it comes back with', () => site.claim(`${resumed} again`))
  } finally {
    await site.close()
    coordinator.signal('SIGKILL')
    await coordinator.ended
  }
  return measures
}

/** How long a process's first thread has computed, and waited for a processor, in ms; NaN where the system does not say. */
function loopTimes(pid: number): [number, number] {
  try {
    const [cpu, waited] = readFileSync(`/proc/${pid}/task/${pid}/schedstat`, 'utf8').split(' ')
    return [Number(cpu) / 1e6, Number(waited) / 1e6]
  } catch {
    return [Number.NaN, Number.NaN]
  }
}

function transcript(): { content: string; metadata: { segments: object[] } } {
  const segments = Array.from({ length: SEGMENTS }, (_, i) => ({
    start: i * 1.4,
    end: i * 1.4 + 1.3,
    text: `This is what was said at ${i}, and somebody wrote it.`,
  }))
  return { content: segments.map(({ text }) => text).join('\n'), metadata: { segments } }
}

/** Nearly as much as a heartbeat may hold. */
function checkpoint(): string {
  const { segments } = transcript().metadata
  return JSON.stringify({ parts: segments.slice(0, 150_000) })
}

/** A coordinator, and what is done to it. */
class Site {
  readonly #coordinator: RunningCoordinator
  readonly #api: string
  readonly #agent = new Agent({ headersTimeout: 0, bodyTimeout: 0, pipelining: 0 })
  readonly #tokens = new Map<string, string>()

  constructor(coordinator: RunningCoordinator) {
    this.#coordinator = coordinator
    this.#api = `${coordinator.url}/api/v1`
  }

  async claimed(file: string): Promise<string> {
    const wish = { source_file_path: file, content_type: 'audio', ingestion_task_id: 'bench' }
    const { job_id } = await this.#json<{ job_id: string }>('POST', '/remote-jobs', wish)
    await this.claim(job_id)
    return job_id
  }

  /** @param claimId a new one each time. */
  async claim(claimId: string): Promise<void> {
    const claim = { worker_id: 'bench', content_types: ['audio'], claim_id: claimId }
    const { jobs } = await this.#json<{ jobs: { job_id: string; lease_token: string }[] }>(
      'POST',
      '/remote-jobs/claim',
      claim,
    )
    for (const job of jobs) this.#tokens.set(job.job_id, job.lease_token)
  }

  /** @param checkpoint JSON. */
  async beat(jobId: string, checkpoint: string): Promise<void> {
    const lease_token = this.#tokens.get(jobId)
    const job = { job_id: jobId, lease_token, stage: 'transcribing', progress: 0.5 }
    const news = JSON.stringify({ state: 'running', version: '1', slots: 1, jobs: [job] })
    const body = `${news.slice(0, -3)},"checkpoint":${checkpoint}}]}`
    await this.#send('POST', '/workers/bench/heartbeat', body)
  }

  async giveBack(jobId: string): Promise<void> {
    const lease_token = this.#tokens.get(jobId)
    await this.#send('POST', `/remote-jobs/${jobId}/release`, JSON.stringify({ lease_token }))
  }

  async finish(jobId: string, body: string): Promise<void> {
    const lease = `,"lease_token":${JSON.stringify(this.#tokens.get(jobId))}}`
    await this.#send('PUT', `/remote-jobs/${jobId}/result`, body.slice(0, -1) + lease)
  }

  async read(route: string): Promise<void> {
    for (;;) {
      const { statusCode, body } = await request(`${this.#api}/remote-jobs/${route}`, {
        dispatcher: this.#agent,
      })
      // Not kept: what is measured is the other side.
      for await (const _ of body);
      if (statusCode === 200) return
      if (statusCode !== 503) throw new Error(`${route}: ${statusCode}`)
      await sleep(200)
    }
  }

  /** Readers that ask and then take nothing, for as long as each result takes to be read by another. */
  async stall(jobs: readonly string[], count: number): Promise<void> {
    const { hostname, port } = new URL(this.#api)
    const sockets = Array.from({ length: count }, (_, i) => {
      const socket = connect(Number(port), hostname).pause()
      const path = `/api/v1/remote-jobs/${jobs[i % jobs.length]!}/result`
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\n\r\n`)
      return socket
    })
    await this.read(`${jobs[0]!}/result`)
    await sleep(1_000)
    for (const socket of sockets) socket.destroy()
  }

  /** What the coordinator says of its event loop, and its memory, while something is done. */
  async during(work: () => Promise<unknown>): Promise<{
    longestMs: number
    /** What the thread of the loop has computed in all, and waited for a processor: that of other programs is in it. */
    loopMs: number
    waitedMs: number
    peakMb: number
    grownMb: number
  }> {
    await this.#longest()
    const [cpu, waited] = loopTimes(this.#coordinator.pid)
    const before = residentMb(this.#coordinator.pid)
    const [peakMb = 0] = await peaksDuring([this.#coordinator.pid], async () => void (await work()))
    const [cpuThen, waitedThen] = loopTimes(this.#coordinator.pid)
    return {
      longestMs: await this.#longest(),
      loopMs: cpuThen - cpu,
      waitedMs: waitedThen - waited,
      peakMb,
      grownMb: peakMb - before,
    }
  }

  async close(): Promise<void> {
    await this.#agent.destroy()
  }

  async #longest(): Promise<number> {
    const { body } = await request(`${this.#api}/metrics`, { dispatcher: this.#agent })
    const text = await body.text()
    const found = /^morag_event_loop_delay_seconds\{quantile="1"\} (\S+)$/m.exec(text)?.[1]
    return Number(found) * 1_000
  }

  async #json<T>(method: 'POST', route: string, json: object): Promise<T> {
    return JSON.parse(await this.#send(method, route, JSON.stringify(json))) as T
  }

  async #send(method: 'POST' | 'PUT', route: string, raw: string): Promise<string> {
    const { statusCode, body } = await request(`${this.#api}${route}`, {
      method,
      dispatcher: this.#agent,
      body: raw,
      headers: { 'content-type': 'application/json' },
    })
    const text = await body.text()
    if (statusCode !== 200) throw new Error(`${method} ${route}: ${statusCode} ${text}`)
    return text
  }
}
