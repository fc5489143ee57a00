import type { Context } from 'hono'
import { writeJson } from '../../shared/exact-json.ts'
import { toWire } from '../../shared/keys.ts'
import type { ClaimedJob } from '../../shared/wire.ts'
import type { Checkpoint } from '../blobs/heartbeat-work.ts'
import type { Env } from './http.ts'

/** A job for a worker, with the checkpoint of an earlier attempt. */
export interface PreparedJob {
  job: Omit<ClaimedJob, 'checkpoint'>
  checkpoint: Checkpoint | null
}

/** Answers a claim. Checkpoints are inserted as JSON text: parsing and writing them would block the event loop. */
export function sendClaimed(
  c: Context<Env>,
  jobs: readonly PreparedJob[],
  retryAfterSeconds: number,
): Response {
  const parts = jobs.flatMap(({ job, checkpoint }, i) => [
    `${i === 0 ? '' : ','}${writeJson(toWire(job)).slice(0, -1)},"checkpoint":`,
    checkpoint ?? 'null',
    '}',
  ])
  const end = `],"retry_after_seconds":${JSON.stringify(retryAfterSeconds)}}`
  const all = ['{"jobs":[', ...parts, end]
  const body = jobs.some(({ checkpoint }) => checkpoint !== null)
    ? Buffer.concat(all.map((part) => (typeof part === 'string' ? Buffer.from(part) : part)))
    : all.join('')
  return c.body(body, 200, { 'content-type': 'application/json' })
}
