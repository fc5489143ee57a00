import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { test } from 'node:test'
import { startCoordinator } from '../scripts/processes.ts'
import { KILLS, SEED } from './shared/kills.ts'
import { seededRandom } from './shared/seeded-random.ts'
import { tempFolder } from './shared/temp-folder.ts'

const CLIENTS = 8
const JSON_TYPE = { 'content-type': 'application/json' }

interface ClaimedJob {
  job_id: string
  attempt: number
  lease_token: string
}

/** What the coordinator has acknowledged to anybody; after every crash it must still be so. */
class Acknowledged {
  readonly created = new Set<string>()
  /** `job attempt` → the worker that got it. */
  readonly claimed = new Map<string, string>()
  readonly holders = new Map<string, string>()
  readonly results = new Map<string, string>()
  readonly #waiting = new Set<{ count: number; resolve: () => void }>()
  count = 0

  add(): void {
    this.count += 1
    for (const one of this.#waiting) if (this.count >= one.count) one.resolve()
  }

  /** When there are so many. */
  async reach(count: number): Promise<void> {
    await new Promise<void>((resolve) => this.#waiting.add({ count, resolve }))
  }
}

/** A client that creates, claims and completes for ever; what a crash interrupted it asks for again, as it was. */
class Client {
  readonly workerId: string
  claimId = randomUUID() as string
  holding: { job: ClaimedJob; content: string }[] = []
  createKey = randomUUID() as string

  readonly known: Acknowledged
  readonly file: string
  readonly random: () => number

  constructor(known: Acknowledged, file: string, random: () => number, index: number) {
    this.known = known
    this.file = file
    this.random = random
    this.workerId = `worker-${index}`
  }

  /** Until the coordinator is gone. */
  async work(url: string): Promise<void> {
    const api = `${url}/api/v1`
    for (;;) {
      try {
        await this.#create(api)
        await this.#claim(api)
        await this.#finish(api)
      } catch (error) {
        if (error instanceof assert.AssertionError) throw error
        return
      }
    }
  }

  async #create(api: string): Promise<void> {
    const body = JSON.stringify({
      source_file_path: this.file,
      content_type: 'audio',
      ingestion_task_id: 'crash',
    })
    const headers = { ...JSON_TYPE, 'idempotency-key': this.createKey }
    const answer = await fetch(`${api}/remote-jobs/`, { method: 'POST', headers, body })
    const { job_id: jobId } = (await answer.json()) as { job_id: string }
    assert.equal(answer.status, 200)
    this.known.created.add(jobId)
    this.known.add()
    this.createKey = randomUUID()
  }

  async #claim(api: string): Promise<void> {
    const body = JSON.stringify({
      worker_id: this.workerId,
      content_types: ['audio'],
      claim_id: this.claimId,
      max_jobs: 2,
    })
    const answer = await fetch(`${api}/remote-jobs/claim`, {
      method: 'POST',
      headers: JSON_TYPE,
      body,
    })
    const { jobs } = (await answer.json()) as { jobs: ClaimedJob[] }
    assert.equal(answer.status, 200)
    this.claimId = randomUUID()
    for (const job of jobs) {
      const key = `${job.job_id} ${job.attempt}`
      assert.equal(this.known.claimed.get(key), undefined, `${key} was handed out twice`)
      const holder = this.known.holders.get(job.job_id)
      assert.equal(
        holder,
        undefined,
        `${job.job_id} is with ${holder} and went to ${this.workerId}`,
      )
      this.known.claimed.set(key, this.workerId)
      this.known.holders.set(job.job_id, this.workerId)
      const content = `${randomUUID()} ${'x'.repeat(this.random() < 0.3 ? 10_000 : 10)}`
      this.holding.push({ job, content })
    }
    this.known.add()
  }

  async #finish(api: string): Promise<void> {
    for (let next = this.holding[0]; next !== undefined; next = this.holding[0]) {
      const { job, content } = next
      const body = JSON.stringify({ success: true, content, lease_token: job.lease_token })
      const url = `${api}/remote-jobs/${job.job_id}/result`
      const answer = await fetch(url, { method: 'PUT', headers: JSON_TYPE, body })
      const text = await answer.text()
      assert.equal(answer.status, 200, text)
      this.known.results.set(job.job_id, content)
      this.known.add()
      this.holding.shift()
    }
  }
}

test(`a coordinator killed ${KILLS} times under ${CLIENTS} clients loses nothing it has acknowledged and hands no job out twice (seed ${SEED})`, async (t) => {
  const folder = tempFolder()
  const file = path.join(folder, 'source.wav')
  await writeFile(file, 'not much')
  const random = seededRandom(SEED)
  const known = new Acknowledged()
  const clients = Array.from({ length: CLIENTS }, (_, i) => new Client(known, file, random, i))

  for (let round = 0; round < KILLS; round += 1) {
    const coordinator = await startCoordinator(path.join(folder, 'data'), folder)
    const enough = known.reach(known.count + 1 + Math.floor(random() * 200))
    const working = Promise.all(clients.map((client) => client.work(coordinator.url)))
    await Promise.race([enough, working])
    coordinator.signal('SIGKILL')
    await Promise.all([coordinator.ended, working])
  }

  const coordinator = await startCoordinator(path.join(folder, 'data'), folder)
  const api = `${coordinator.url}/api/v1/remote-jobs`
  for (const jobId of known.created) {
    const answer = await fetch(`${api}/${jobId}`)
    assert.equal(answer.status, 200, `job ${jobId} is gone`)
    await answer.body?.cancel()
  }
  for (const [jobId, content] of known.results) {
    const result = (await (await fetch(`${api}/${jobId}/result`)).json()) as { content: string }
    assert.equal(result.content, content)
  }
  t.diagnostic(`${known.created.size} jobs made, ${known.results.size} completed`)
  assert.ok(known.results.size > KILLS)
  coordinator.signal('SIGTERM')
  assert.deepEqual(await coordinator.ended, { exitCode: 0, signal: undefined })
})
