import { Hono } from 'hono'
import { SECOND } from '../../shared/duration.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { workerName } from '../../shared/wire-fields.ts'
import { claimRequest, releaseRequest } from '../../shared/wire.ts'
import { registerRequest } from '../../shared/wire-access.ts'
import { OpenCount } from '../access/open-count.ts'
import { jobFor, typesFor } from '../access/ownership.ts'
import { unauthorized } from '../access/principal.ts'
import type { Services } from '../services.ts'
import { answer, bodyOf, bytesOf, callerGone, type Env } from './http.ts'
import { sendClaimed } from './send-claimed.ts'

/** How long a worker that got nothing should wait; one whose time to wait has passed here need not. */
const RETRY_AFTER_SECONDS = 5
/** One token may be that of many machines; half of all that may wait. */
const CALLS_OF_TOKEN = 2_048
/** The checkpoints of very long recordings come with it. */
const HEARTBEAT_MIB = 16

/** What the agent uses: leases, heartbeats, giving back. */
export function agentRoutes({
  access,
  attempts,
  claims,
  files,
  jobs,
  log,
  views,
  workers,
}: Services): Hono<Env> {
  const app = new Hono<Env>()
  const waiting = new OpenCount('waiting calls', CALLS_OF_TOKEN)

  app.post('/remote-jobs/claim', async (c) => {
    const { waitSeconds, prefetch, ...request } = await bodyOf(c, claimRequest)
    const { principal } = c.var
    const contentTypes = typesFor(principal, request.contentTypes)
    access.goBy(principal, request.workerId)
    workers.seen(request.workerId, { contentTypes })
    const signal = callerGone(c)
    const waitMs = waitSeconds * SECOND
    const cameAt = performance.now()
    const release = waiting.hold(principal)
    const claim = { ...request, contentTypes, tokenId: principal.tokenId, waitMs, signal }
    const given = await claims
      .claim({ ...claim, prefetch: prefetch ?? false }, async (claimed) => {
        const found = claimed.map(async (job) => ({
          job: views.claimed(job),
          checkpoint: await attempts.checkpointOf(job),
        }))
        const shown = await Promise.all(found)
        if (!access.isGood(principal)) throw unauthorized()
        return shown
      })
      .finally(release)
    // Sent home early, it would be back at once to be sent home again.
    const hasWaited = waitMs > 0 && performance.now() - cameAt >= waitMs * 0.9
    const retryAfterSeconds = given.length > 0 || hasWaited ? 0 : RETRY_AFTER_SECONDS
    return sendClaimed(c, given, retryAfterSeconds)
  })

  app.post('/workers/:id/heartbeat', async (c) => {
    const workerId = parseWire(workerName, c.req.param('id'), 'path')
    const { principal } = c.var
    const { news, beats } = await files.checkpoints.receive(await bytesOf(c, HEARTBEAT_MIB))
    access.goBy(principal, workerId)
    const { state, ...facts } = news
    workers.seen(workerId, {
      ...facts,
      ...(state !== 'stopped' && { state }),
      device: news.device ?? null,
      capabilities: news.capabilities ?? null,
      devices: news.devices ?? [],
      paused: news.paused ?? [],
    })
    const orders = await Promise.all(beats.map((beat) => attempts.heartbeat(beat, principal)))
    if (state === 'stopped') {
      workers.left(workerId)
      log.info({ worker_id: workerId, worker: principal.name }, 'a worker has said goodbye')
    }
    return answer(c, {
      directive: workers.directiveOf(workerId),
      heartbeatSeconds: views.heartbeatSeconds,
      jobs: orders.map((order) => ({ ...order, leaseSeconds: views.leaseSeconds })),
    })
  })

  app.post('/remote-jobs/:id/release', async (c) => {
    const { leaseToken } = await bodyOf(c, releaseRequest)
    const { principal } = c.var
    const { jobId } = jobFor(principal, jobs, c.req.param('id'))
    return answer(c, views.status(await attempts.release(jobId, leaseToken, principal)))
  })

  app.post('/workers/register', async (c) => {
    const { name } = await bodyOf(c, registerRequest)
    const { token, record } = await access.register(c.var.principal, name)
    log.info({ token: record.name, with: c.var.principal.name }, 'a worker has registered')
    return answer(c, { token, name: record.name, role: record.role, types: record.types })
  })

  return app
}
