import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { MoragClient } from '../../shared/client/client.ts'
import { snapshotEvent } from '../../shared/wire-events.ts'
import { noPostgres } from '../shared/postgres-server.ts'
import { listenTo, type EventStream, type StreamEvent } from '../coordinator/event-stream.ts'
import { checkpoint } from '../coordinator/example-checkpoint.ts'
import {
  claim,
  claimedJob,
  createJob,
  until,
  type Claimed,
  type Running,
} from '../coordinator/running.ts'
import { two } from '../coordinator/postgres/over.ts'

const KEY = 'k'.repeat(32)
type After = Parameters<typeof listenTo>[0]

const listen = async (t: After, { url }: Running, headers = {}): Promise<EventStream> =>
  await listenTo(t, `${url}/api/v1/events`, headers)

const ofJob =
  (jobId: string, status?: string) =>
  ({ event, data }: StreamEvent): boolean =>
    event === 'job' &&
    data['job_id'] === jobId &&
    (status === undefined || data['status'] === status)

const isSnapshot = ({ event }: StreamEvent): boolean => event === 'snapshot'

async function beat(
  running: Running,
  { job_id, lease_token }: Claimed,
  different: object,
): Promise<void> {
  const one = { job_id, lease_token, stage: 'transcribing', progress: 0.5, ...different }
  const json = { state: 'running', version: '1', slots: 1, jobs: [one] }
  assert.equal((await running.ask('POST', '/workers/w1/heartbeat', { json })).status, 200)
}

async function finish(running: Running, { job_id, lease_token }: Claimed): Promise<void> {
  const json = { success: true, content: 'Hello.', lease_token }
  assert.equal((await running.ask('PUT', `/remote-jobs/${job_id}/result`, { json })).status, 200)
}

describe('event streams of several coordinators', { skip: noPostgres, timeout: 120_000 }, () => {
  test('show at one what happens at another', async (t) => {
    const [a, b] = await two(t)
    const stream = await listen(t, a)
    await stream.next(isSnapshot)
    const job = await claimedJob(b)
    await stream.next(ofJob(job.job_id, 'processing'))
    const progresses = ({ data }: StreamEvent): boolean => data['progress'] === 0.75
    await until(async () => {
      // What is compared first may have this progress already.
      await beat(b, job, { progress: 0.25 + Math.random() / 4 })
      return stream.events.filter(ofJob(job.job_id)).some(({ data }) => data['progress'] !== null)
    })
    await beat(b, job, { progress: 0.75 })
    await stream.next((one) => ofJob(job.job_id)(one) && progresses(one))
    await finish(b, job)
    await stream.next(ofJob(job.job_id, 'completed'))
    assert.equal((await b.ask('DELETE', `/remote-jobs/${job.job_id}`)).status, 200)
    await stream.next((one) => ofJob(job.job_id)(one) && one.data['removed'] === true)
  })

  test('go on at another with all that there is by then', async (t) => {
    const [a, b] = await two(t)
    const stream = await listen(t, a)
    await stream.next(isSnapshot)
    const [kept, removed] = [await createJob(a), await createJob(a)]
    const { id } = await stream.next(ofJob(removed))
    assert.match(id, /^[\da-f]{8}\.\d+$/)
    stream.stop()
    await stream.ended
    const [job] = await claim(b, { wait_seconds: 20 })
    assert.equal(job?.job_id, kept)
    await finish(b, job)
    await b.ask('DELETE', `/remote-jobs/${removed}`)
    const next = await listen(t, b, { 'last-event-id': id })
    const first = await next.next(() => true)
    assert.equal(first.event, 'snapshot')
    const { jobs } = snapshotEvent.parse(first.data)
    assert.deepEqual(
      jobs.map(({ job_id, status }) => [job_id, status]),
      [[kept, 'completed']],
    )
  })

  test('bring what was missed at the same, also of what another did', async (t) => {
    const [a, b] = await two(t)
    const jobId = await createJob(a)
    const stream = await listen(t, a)
    const { id } = await stream.next(isSnapshot)
    stream.stop()
    await stream.ended
    // Another stays, and sees when this one has heard of it.
    const witness = await listen(t, a)
    await witness.next(isSnapshot)
    const [job] = await claim(b, { wait_seconds: 20 })
    await finish(b, job!)
    await witness.next(ofJob(jobId, 'completed'))
    const again = await listen(t, a, { 'last-event-id': id })
    const missed = await again.next(ofJob(jobId))
    assert.equal(missed.data['status'], 'completed')
    assert.ok(!again.events.some(isSnapshot))
  })

  test('tell a submitter of its own jobs alone, also of those that another has removed', async (t) => {
    const [a, b] = await two(t, { apiKey: KEY })
    const headers = async (name: string): Promise<{ authorization: string }> => {
      const wish = { role: 'submit', name, types: null, lifeMs: null } as const
      return { authorization: `Bearer ${(await a.tokens.create(wish)).token}` }
    }
    const [mine, theirs] = [await headers('me'), await headers('them')]
    const boss = { authorization: `Bearer ${KEY}` }
    const isKnown = async (as: { authorization: string }): Promise<boolean> =>
      (await b.ask('GET', '/remote-jobs/', { headers: { ...as } })).status === 200
    for (const as of [mine, theirs]) await until(async () => await isKnown(as))
    const json = {
      source_file_path: a.file('talk.mp3'),
      content_type: 'audio',
      ingestion_task_id: 'task',
    }
    const make = async (as: object): Promise<string> => {
      const { body, text } = await b.ask('POST', '/remote-jobs/', { json, headers: { ...as } })
      assert.ok(typeof body['job_id'] === 'string', text)
      return body['job_id']
    }
    const stream = await listen(t, a, mine)
    await stream.next(isSnapshot)
    const [hidden, shown] = [await make(theirs), await make(mine)]
    await stream.next(ofJob(shown))
    for (const jobId of [hidden, shown])
      assert.equal((await b.ask('DELETE', `/remote-jobs/${jobId}`, { headers: boss })).status, 200)
    await stream.next(({ data }) => data['job_id'] === shown && data['removed'] === true)
    assert.equal(JSON.stringify(stream.events).includes(hidden), false)
  })

  test('bring the text of a job whose worker speaks to another', async (t) => {
    const [a, b] = await two(t)
    const job = await claimedJob(b)
    const stream = await listen(t, a)
    await stream.next(isSnapshot)
    let progress = 0
    const said = async (...texts: string[]): Promise<void> =>
      await beat(b, job, {
        progress: (progress = (progress + 0.01) % 1),
        checkpoint: checkpoint(texts),
      })
    const texts = (): string[] =>
      stream.events
        .filter(({ event }) => event === 'text')
        .flatMap(({ data }) => (data['segments'] as { text: string }[]).map(({ text }) => text))
    await until(async () => {
      await said('Good morning.')
      return texts().includes('Good morning.')
    })
    await until(async () => {
      await said('Good morning.', 'How are you?')
      return texts().includes('How are you?')
    })
  })

  test('are followed by a client from one that stops to the next, to the end', async (t) => {
    const [a, b] = await two(t)
    const job = await claimedJob(a)
    let at = a
    const client = new MoragClient({
      url: a.url,
      sleep: async () => undefined,
      fetch: async (where, options) =>
        await fetch((where as string).replace(a.url, at.url), options),
    })
    const seen: string[] = []
    const following = (async () => {
      for await (const event of client.stream(job.job_id))
        seen.push(event.type === 'progress' ? event.job.status : event.type)
    })()
    await until(() => seen.includes('processing'))
    at = b
    await a.stop()
    await finish(b, job)
    await following
    assert.equal(seen.filter((one) => one === 'completed').length, 1)
  })
})
