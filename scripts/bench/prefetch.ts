import { randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import { Client } from '../../agent/client/client.ts'
import { Connection } from '../../shared/connection.ts'
import { run, startCoordinator } from '../processes.ts'
import { repeatClips } from './clips.ts'
import type { Measure } from './report.ts'
import { slowLink } from './slow-link.ts'

const JOBS = 6
/** Times the clip of 11 s: about two seconds of recognition. */
const REPEATS = 5
const CLIP = fileURLToPath(new URL('../../agent/assets/jfk.wav', import.meta.url))

/** What short jobs cost over a link that takes about as long as their recognition: the sum of both, or the longer. */
export async function prefetching(folder: string): Promise<Measure[]> {
  const coordinator = await startCoordinator(path.join(folder, 'prefetch'), folder, { built: true })
  const file = path.join(folder, 'clip.wav')
  await repeatClips([CLIP], REPEATS, file)
  const { length } = await readFile(file)
  const round = (url: string, prefetch: number): Promise<number> =>
    secondsFor(coordinator.url, url, file, folder, prefetch)
  // The first round also gets the models and warms the disk's cache.
  await round(coordinator.url, 0)
  const recognition = await round(coordinator.url, 0)
  const perSecond = (length * JOBS) / recognition
  const link = await slowLink(coordinator.url, perSecond)
  const fetched = await downloadAll(coordinator.url, link.url, file)
  const apart = await round(link.url, 0)
  const together = await round(link.url, 1)
  link.close()
  coordinator.signal('SIGKILL')
  await coordinator.ended
  const longer = Math.max(recognition, fetched)
  const ideal = longer + fetched / JOBS
  const seconds = (value: number): string => `${value.toFixed(1)} s`
  return [
    { name: `${JOBS} jobs, link at its fastest: recognition alone`, value: seconds(recognition) },
    {
      name: `their sources over a link of ${(perSecond / 1e6).toFixed(1)} MB/s`,
      value: seconds(fetched),
    },
    { name: 'both, one after the other (--prefetch 0)', value: seconds(apart) },
    { name: 'both, next job got ready meanwhile (--prefetch 1)', value: seconds(together) },
    {
      name: 'beside the longer of the two, and the first download',
      value: `${(together / ideal).toFixed(2)}`,
      promise: 'at most 1.25: the maximum, not the sum',
      kept: together <= ideal * 1.25,
    },
  ]
}

async function upload(url: string, file: string): Promise<string[]> {
  const connection = new Connection({ url })
  const client = new Client(connection)
  const ids = []
  for (let i = 0; i < JOBS; i++) {
    const named = { file, filename: `${i}.wav`, contentType: 'audio' }
    ids.push((await client.create({ ...named, idempotencyKey: randomUUID() })).jobId)
  }
  await connection.close()
  return ids
}

/** From the first claim to the last result, in seconds. */
async function secondsFor(
  coordinatorUrl: string,
  agentUrl: string,
  file: string,
  folder: string,
  prefetch: number,
): Promise<number> {
  const ids = await upload(coordinatorUrl, file)
  const flags = ['--exit-when-idle', '--prefetch', String(prefetch), '--engine', 'moonshine']
  const work = ['--work-dir', path.join(folder, 'work'), '--url', agentUrl, '--gpus', 'none']
  const agent = run('agent', ['start', ...work, ...flags], { built: true })
  const { exitCode } = await agent.ended
  if (exitCode !== 0) throw new Error(`the agent failed:\n${agent.lines.join('\n')}`)
  const connection = new Connection({ url: coordinatorUrl })
  const client = new Client(connection)
  const jobs = await Promise.all(ids.map((id) => client.status(id)))
  await connection.close()
  const failed = jobs.find(({ status }) => status !== 'completed')
  if (failed !== undefined) {
    throw new Error(`a job came to nothing: ${failed.errorMessage}\n${agent.lines.join('\n')}`)
  }
  const started = jobs.map(({ startedAt }) => Number(startedAt))
  const ended = jobs.map(({ completedAt }) => Number(completedAt))
  return (Math.max(...ended) - Math.min(...started)) / 1000
}

/** How long the link takes for the sources alone. */
async function downloadAll(coordinatorUrl: string, linkUrl: string, file: string): Promise<number> {
  await upload(coordinatorUrl, file)
  const connection = new Connection({ url: coordinatorUrl })
  const client = new Client(connection)
  const claim = { workerId: 'bench', contentTypes: ['audio'], waitSeconds: 0, prefetch: false }
  const { jobs } = await client.claim({ ...claim, maxJobs: JOBS, claimId: randomUUID() })
  const from = performance.now()
  for (const { source, leaseToken } of jobs) {
    const headers = { 'morag-lease': leaseToken }
    const answer = await fetch(new URL(source.url, linkUrl), { headers })
    const { byteLength } = await answer.arrayBuffer()
    if (byteLength !== source.sizeBytes) throw new Error(`no source: ${answer.status}`)
  }
  const seconds = (performance.now() - from) / 1000
  for (const { jobId, leaseToken } of jobs) {
    const gone = { success: false, retryable: false, leaseToken, errorMessage: 'only measured' }
    await client.result(jobId, gone)
  }
  await connection.close()
  return seconds
}
