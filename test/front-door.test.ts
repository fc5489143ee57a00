import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { startCoordinator, type RunningCoordinator } from '../scripts/processes.ts'
import { tempFolder } from './shared/temp-folder.ts'

const CLIENTS = 50
const FILE = new Blob([new Uint8Array(512 * 1024)])

interface Claimed {
  job_id: string
  attempt: number
  lease_token: string
  source: { filename: string }
}

describe('fifty clients at once of two agents', () => {
  const folder = tempFolder()
  let coordinator: RunningCoordinator
  let left = 0
  /** Jobs in the order in which they were first claimed. */
  const claimed: string[] = []
  const isOver = new AbortController()

  before(async () => {
    const args = ['--lease', '3s']
    coordinator = await startCoordinator(path.join(folder, 'data'), folder, { args })
  })
  after(async () => {
    coordinator.signal('SIGKILL')
    await coordinator.ended
  })

  async function ask(method: string, route: string, body?: object): Promise<unknown> {
    const answer = await fetch(`${coordinator.url}/api/v1${route}`, {
      method,
      headers: { 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      signal: isOver.signal,
    })
    assert.equal(answer.status, 200, await answer.clone().text())
    return await answer.json()
  }

  /** Does jobs until all clients have left. Of some it is killed: a silence, and it starts anew. */
  async function work(workerId: string, isKilledAt: (count: number) => boolean): Promise<void> {
    for (let count = 0; left < CLIENTS;) {
      const claim = { worker_id: workerId, content_types: ['audio'], claim_id: randomUUID() }
      const { jobs } = (await ask('POST', '/remote-jobs/claim', {
        ...claim,
        wait_seconds: 1,
      })) as { jobs: Claimed[] }
      for (const { job_id: jobId, attempt, lease_token, source } of jobs) {
        if (attempt === 1) claimed.push(jobId)
        if (isKilledAt((count += 1))) continue
        const segments = [{ start: 0, end: 1, text: `It is ${source.filename}.` }]
        const metadata = { duration: 1, segments }
        const result = { success: true, content: '', metadata, lease_token }
        await ask('PUT', `/remote-jobs/${jobId}/result`, result)
      }
    }
  }

  async function send(name: string): Promise<{ jobId: string; text: string }> {
    const form = new FormData()
    form.set('model', 'whisper-1')
    form.set('file', FILE, name)
    const url = `${coordinator.url}/v1/audio/transcriptions`
    const answer = await fetch(url, { method: 'POST', body: form })
    const body = (await answer.json()) as { text: string }
    left += 1
    assert.equal(answer.status, 200, JSON.stringify(body))
    return { jobId: answer.headers.get('morag-job')!, text: body.text }
  }

  async function megabytes(): Promise<number> {
    const text = await (await fetch(`${coordinator.url}/metrics`)).text()
    return Number(/^process_resident_memory_bytes (\S+)/m.exec(text)![1]) / 1024 ** 2
  }

  it('all are answered in order of arrival, though agents are killed meanwhile', async () => {
    const memory: number[] = []
    for (let round = 0; round < 3; round += 1) {
      left = 0
      claimed.length = 0
      const answers = Promise.all(
        Array.from({ length: CLIENTS }, async (_, at) => {
          const name = `${round}-${at}.mp3`
          const { jobId, text } = await send(name)
          assert.equal(text, `It is ${name}.`)
          return jobId
        }),
      )
      const { total } = await allThere()
      assert.equal(total, CLIENTS)
      const working = [
        work('one', (count) => round === 0 && [3, 9].includes(count)),
        work('two', (count) => round === 0 && count === 5),
      ]
      const ids = await answers
      await Promise.all(working)
      assert.deepEqual(new Set(claimed), new Set(ids))
      const arrived = await Promise.all(
        claimed.map(async (id) => {
          const job = (await ask('GET', `/remote-jobs/${id}`)) as { created_at: string }
          return Date.parse(job.created_at)
        }),
      )
      assert.deepEqual(
        arrived,
        arrived.toSorted((a, b) => a - b),
      )
      memory.push(await megabytes())
    }
    // The heap grows until it is collected; the recordings of all rounds would take 75 MB, their copies several times that.
    const [first = 0, ...later] = memory
    assert.ok(
      later.every((one) => one < first + 100),
      memory.join(', '),
    )
  })

  /** Returns once the jobs of all clients wait. */
  async function allThere(): Promise<{ total: number }> {
    for (;;) {
      const { jobs } = (await ask('GET', `/remote-jobs?status=pending&limit=${CLIENTS + 1}`)) as {
        jobs: object[]
      }
      if (jobs.length >= CLIENTS) return { total: jobs.length }
    }
  }
})
