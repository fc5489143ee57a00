import { createHash, randomUUID } from 'node:crypto'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { ClaimedJob } from '../../shared/wire.ts'
import { VERSION } from '../../shared/version.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import type { Client } from '../client/client.ts'
import { download } from '../client/download.ts'
import { expect, type Group } from './check.ts'
import { CLIPS } from './clips.ts'
import { removeJob } from './remove-job.ts'

const FIX = 'See the coordinator’s log.'
const WORKER = 'selftest'

/** A job from its upload to its end, with a content type that no real worker takes. */
export function lifecycleGroup(client: Client): Group {
  const contentType = `selftest-${randomUUID()}`
  const clip = CLIPS[0]
  const made: string[] = []
  let folder: string
  let job: ClaimedJob

  const create = async (): Promise<string> => {
    const { jobId, status } = await client.create({
      file: clip.file,
      filename: clip.name,
      contentType,
      idempotencyKey: randomUUID(),
    })
    made.push(jobId)
    expect(status === 'pending', `it is ${status}`, FIX)
    return jobId
  }
  const claim = async (claimId: string): Promise<ClaimedJob | undefined> => {
    const request = {
      workerId: WORKER,
      contentTypes: [contentType],
      maxJobs: 1,
      waitSeconds: 0,
      claimId,
    }
    return (await client.claim(request)).jobs[0]
  }

  return {
    name: 'lifecycle',
    checks: [
      { name: 'an upload becomes a job', run: async () => `job ${await create()}` },
      {
        name: 'a worker claims it, and the same claim gives the same job',
        async run() {
          const claimId = randomUUID()
          const first = await claim(claimId)
          expect(first !== undefined, 'no job was offered', FIX)
          const again = await claim(claimId)
          expect(again?.leaseToken === first.leaseToken, 'the second answer differs', FIX)
          job = first
          return `attempt ${job.attempt}, a lease of ${job.leaseSeconds} s`
        },
      },
      {
        name: 'a heartbeat keeps the lease',
        async run() {
          const { jobId, leaseToken } = job
          const beat = { jobId, leaseToken, stage: 'downloading', progress: 0.1 }
          const answer = await client.heartbeat(WORKER, {
            state: 'running',
            version: VERSION,
            slots: 1,
            jobs: [beat],
          })
          const order = answer.jobs[0]?.order
          expect(order === 'continue', `the order was ${order ?? 'missing'}`, FIX)
          return 'continue'
        },
      },
      {
        name: 'its source is downloaded, whole and from the middle',
        async run() {
          folder = await mkdtemp(path.join(tmpdir(), 'morag-selftest-'))
          const target = path.join(folder, clip.name)
          const { source, leaseToken } = job
          const signal = timeoutSignal(60_000)
          const { sha256 } = await download({
            connection: client.connection,
            source,
            leaseToken,
            target,
            signal,
          })
          const bytes = await readFile(clip.file)
          const right = createHash('sha256').update(bytes).digest('hex')
          expect(sha256 === right && source.sha256 === right, 'the SHA-256 differs', FIX)
          const { statusCode, body } = await client.connection.exchange(source.url, {
            headers: { 'morag-lease': leaseToken, range: 'bytes=100-199' },
          })
          const part = Buffer.from(await body.arrayBuffer())
          const fix = 'Let the proxy in front of the coordinator pass Range requests on.'
          expect(statusCode === 206, `a range was answered with ${statusCode}`, fix)
          expect(part.equals(bytes.subarray(100, 200)), 'the range holds wrong bytes', fix)
          return `${bytes.length} bytes, SHA-256 matches, ranges work`
        },
      },
      {
        name: 'a job that is given back can be claimed again',
        async run() {
          await client.release(job.jobId, job.leaseToken)
          const again = await claim(randomUUID())
          expect(again?.jobId === job.jobId, 'it was not offered', FIX)
          job = again
          return `attempt ${job.attempt}`
        },
      },
      {
        name: 'its result is accepted, also a second time',
        async run() {
          const { jobId, leaseToken } = job
          const result = {
            success: true,
            content: 'Self-test.',
            metadata: {},
            processingTime: 0,
            leaseToken,
          }
          await client.result(jobId, result)
          const { status } = await client.result(jobId, result)
          expect(status === 'completed', `it is ${status}`, FIX)
          expect((await client.resultBody(jobId, 'md')) === 'Self-test.', 'the text differs', FIX)
          return 'completed'
        },
      },
      {
        name: 'a retryable failure sends a job back to the queue',
        async run() {
          const jobId = await create()
          const second = await claim(randomUUID())
          expect(second?.jobId === jobId, 'it was not offered', FIX)
          const { status } = await client.result(jobId, {
            success: false,
            errorCode: 'engine_failed',
            errorMessage: 'self-test',
            retryable: true,
            leaseToken: second.leaseToken,
          })
          expect(status === 'pending', `it is ${status}`, FIX)
          const { retryCount } = await client.status(jobId)
          expect(retryCount === 1, `it counts ${retryCount} retries`, FIX)
          return 'pending, after a pause'
        },
      },
    ],
    async after() {
      for (const jobId of made) await removeJob(client.connection, jobId)
      if (folder !== undefined) await rm(folder, { recursive: true, force: true })
    },
  }
}
