import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { startCoordinator, type RunningCoordinator } from '../../scripts/processes.ts'
import type { UsageRow } from '../../shared/wire-usage.ts'
import { KILLS, SEED } from '../shared/kills.ts'
import { seededRandom } from '../shared/seeded-random.ts'
import { tempFolder } from '../shared/temp-folder.ts'

const CLIENTS = 6
const TIMES = Math.min(KILLS, 3)
const JSON_TYPE = { 'content-type': 'application/json' }

/** Creates, completes and removes jobs; what a kill interrupts it asks for again, until it is acknowledged. */
class Client {
  /** How far the current job is: each step is repeated as it was. */
  #key = randomUUID()
  #claim = randomUUID()
  #step = 0
  #jobId = ''
  #lease = ''
  readonly #type: string
  readonly #file: string
  readonly #random: () => number
  readonly #onCreated: () => void
  #duration: number
  /** Whether the last request may have had an effect that is not known. */
  #isUnanswered = false
  isEnding = false
  created = 0
  completed = 0
  removed = 0
  mediaSeconds = 0

  constructor(index: number, file: string, random: () => number, onCreated: () => void) {
    this.#type = `type-${index}`
    this.#file = file
    this.#random = random
    this.#onCreated = onCreated
    this.#duration = this.#nextDuration()
  }

  /** Until the coordinator is gone, or the job is at its end and that is wanted. */
  async work(url: string): Promise<void> {
    const api = `${url}/api/v1/remote-jobs`
    while (!(this.isEnding && this.#step === 0 && !this.#isUnanswered)) {
      try {
        this.#isUnanswered = true
        await this.#next(api)
        this.#isUnanswered = false
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        return
      }
    }
  }

  async #next(api: string): Promise<void> {
    if (this.#step === 0) {
      const json = {
        source_file_path: this.#file,
        content_type: this.#type,
        ingestion_task_id: 'x',
      }
      const body = await ask(`${api}/`, 'POST', json, { 'idempotency-key': this.#key })
      this.#jobId = String(body['job_id'])
      this.created += 1
      this.#onCreated()
    } else if (this.#step === 1) {
      const json = { worker_id: this.#type, content_types: [this.#type], claim_id: this.#claim }
      const { jobs } = await ask(`${api}/claim`, 'POST', json)
      this.#lease = (jobs as { lease_token: string }[])[0]!.lease_token
    } else if (this.#step === 2) {
      const metadata = { duration: this.#duration }
      const json = { success: true, content: this.#key, metadata, lease_token: this.#lease }
      await ask(`${api}/${this.#jobId}/result`, 'PUT', json)
      this.completed += 1
      this.mediaSeconds += this.#duration
    } else {
      // Without its answer it may have happened.
      await ask(`${api}/${this.#jobId}`, 'DELETE', undefined, {}, [200, 404])
      this.removed += 1
    }
    const isKept = this.#step === 2 && this.#random() < 0.3
    this.#step = isKept || this.#step === 3 ? 0 : this.#step + 1
    if (this.#step > 0) return
    this.#key = randomUUID()
    this.#claim = randomUUID()
    this.#duration = this.#nextDuration()
  }

  #nextDuration(): number {
    return Math.round(this.#random() * 10_000) / 10
  }
}

async function ask(
  url: string,
  method: string,
  json?: object,
  headers: Record<string, string> = {},
  good: readonly number[] = [200],
): Promise<Record<string, unknown>> {
  const body = json === undefined ? {} : { body: JSON.stringify(json) }
  const answer = await fetch(url, { method, headers: { ...JSON_TYPE, ...headers }, ...body })
  const text = await answer.text()
  assert.ok(good.includes(answer.status), `${method} ${url}: ${answer.status} ${text}`)
  return JSON.parse(text) as Record<string, unknown>
}

test(`the usage of jobs, kept and removed, is exact after ${TIMES} kills (seed ${SEED})`, async (t) => {
  const folder = tempFolder()
  const file = path.join(folder, 'source.wav')
  await writeFile(file, 'not much')
  const random = seededRandom(SEED)
  let onCreated = (): void => undefined
  const create = (_: unknown, at: number): Client => new Client(at, file, random, () => onCreated())
  const clients = Array.from({ length: CLIENTS }, create)
  const start = async (): Promise<RunningCoordinator> => {
    const started = await startCoordinator(path.join(folder, 'data'), folder)
    t.after(() => started.signal('SIGKILL'))
    return started
  }
  const sum = (of: (client: Client) => number): number =>
    clients.reduce((total, client) => total + of(client), 0)

  for (let round = 0; round < TIMES; round += 1) {
    const coordinator = await start()
    const enough = sum(({ created }) => created) + 1 + Math.floor(random() * 40)
    const working = clients.map((client) => client.work(coordinator.url))
    await new Promise<void>((resolve) => {
      onCreated = () => {
        if (sum(({ created }) => created) >= enough) resolve()
      }
    })
    coordinator.signal('SIGKILL')
    await Promise.all([coordinator.ended, ...working])
  }

  const coordinator = await start()
  for (const client of clients) client.isEnding = true
  await Promise.all(clients.map(async (client) => await client.work(coordinator.url)))
  const expected = {
    jobs: sum(({ created }) => created),
    completed: sum(({ completed }) => completed),
    failed: 0,
    cancelled: 0,
    media: Math.round(sum(({ mediaSeconds }) => mediaSeconds) * 10),
  }
  const usage = async (url: string): Promise<object> => {
    const { rows } = await ask(`${url}/api/v1/usage?by=token`, 'GET')
    const [row] = rows as (UsageRow & { media_seconds: number })[]
    const { jobs, completed, failed, cancelled, media_seconds: seconds } = row!
    return { jobs, completed, failed, cancelled, media: Math.round(seconds * 10) }
  }
  assert.deepEqual(await usage(coordinator.url), expected)
  coordinator.signal('SIGTERM')
  await coordinator.ended
  const again = await start()
  assert.deepEqual(await usage(again.url), expected)
  again.signal('SIGTERM')
  await again.ended
  t.diagnostic(`${expected.jobs} jobs, ${sum(({ removed }) => removed)} of them removed`)
  assert.ok(sum(({ removed }) => removed) > TIMES)
})
