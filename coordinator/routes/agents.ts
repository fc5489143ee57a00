import { Hono } from 'hono'
import { z } from 'zod'
import { SECOND } from '../../shared/duration.ts'
import { parseWire } from '../../shared/parse-wire.ts'
import { leaseToken, namedObject, workerName } from '../../shared/wire-fields.ts'
import {
  claimAnswer,
  claimRequest,
  heartbeatAnswer,
  heartbeatRequest,
  registerAnswer,
  statusAnswer,
} from '../../shared/wire.ts'
import { OpenCount } from '../access/open-count.ts'
import { jobFor, typesFor } from '../access/ownership.ts'
import { unauthorized } from '../access/principal.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { answer, bodyOf, bytesOf, callerGone, type Env } from './http.ts'
import { sendClaimed } from './send-claimed.ts'

const releaseRequest = namedObject('Release', { lease_token: leaseToken })
const registerRequest = namedObject('Register', { name: z.string().min(1).max(100) })

/** The pause of a worker whose claim came back empty at once; one that waited here may claim again at once. */
const RETRY_AFTER_SECONDS = 5
/** Of an agent: one that waits for work, and one ahead of need. */
const CALLS_OF_AGENT = 2
/** Room for the checkpoints of very long recordings. */
const HEARTBEAT_MIB = 16

/** What our agent uses beside the original protocol. */
export function agentRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { access, attempts, claims, config, files, jobs, log, views, workers } = services
  const waiting = new OpenCount('waiting calls', CALLS_OF_AGENT * config.fleet.agentsOfToken)

  app.post(
    '/remote-jobs/claim',
    describeRoute({
      id: 'claimJobs',
      tag: 'Workers',
      access: ['worker'],
      summary: 'Claim jobs, waiting for them if asked to',
      description: 'The same `claim_id` gets the same jobs again, so a lost answer loses no job.',
      body: { json: claimRequest },
      answer: claimAnswer,
      errors: ['worker_id_taken'],
    }),
    async (c) => {
      const { waitSeconds, prefetch, ...request } = await bodyOf(c, claimRequest)
      const principal = c.get('principal')
      const contentTypes = typesFor(principal, request.contentTypes)
      access.names.use(principal, request.workerId)
      workers.update(request.workerId, { contentTypes })
      const signal = callerGone(c)
      const waitMs = waitSeconds * SECOND
      const startedAt = performance.now()
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
      // Without a pause, a worker that is answered early would claim again at once, in a loop.
      const hasWaited = waitMs > 0 && performance.now() - startedAt >= waitMs * 0.9
      const retryAfterSeconds = given.length > 0 || hasWaited ? 0 : RETRY_AFTER_SECONDS
      return sendClaimed(c, given, retryAfterSeconds)
    },
  )

  app.post(
    '/workers/:id/heartbeat',
    describeRoute({
      id: 'heartbeat',
      tag: 'Workers',
      access: ['worker'],
      summary: 'Renew leases, report progress, receive orders',
      body: { json: heartbeatRequest },
      answer: heartbeatAnswer,
      errors: ['worker_id_taken'],
    }),
    async (c) => {
      const workerId = parseWire(workerName, c.req.param('id'), 'path')
      const principal = c.get('principal')
      const { news, beats } = await files.checkpoints.receive(await bytesOf(c, HEARTBEAT_MIB))
      access.names.use(principal, workerId)
      const { state, ...facts } = news
      workers.update(workerId, {
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
        log.info({ worker_id: workerId, worker: principal.name }, 'worker stopped')
      }
      return answer(c, {
        directive: workers.directiveOf(workerId),
        heartbeatSeconds: views.heartbeatSeconds,
        jobs: orders.map((order) => ({ ...order, leaseSeconds: views.leaseSeconds })),
      })
    },
  )

  app.post(
    '/remote-jobs/:id/release',
    describeRoute({
      id: 'releaseJob',
      tag: 'Workers',
      access: ['worker'],
      summary: 'Give a job back',
      description: 'The attempt does not count.',
      body: { json: releaseRequest },
      answer: statusAnswer,
      errors: ['lease_lost'],
    }),
    async (c) => {
      const { leaseToken } = await bodyOf(c, releaseRequest)
      const principal = c.get('principal')
      const { jobId } = await jobFor(principal, jobs, c.req.param('id'))
      return answer(c, await views.status(await attempts.release(jobId, leaseToken, principal)))
    },
  )

  app.post(
    '/workers/register',
    describeRoute({
      id: 'registerWorker',
      tag: 'Workers',
      access: ['register'],
      summary: "Exchange a one-time token for a worker's own",
      description: 'The token is in this answer and never shown again.',
      body: { json: registerRequest },
      answer: registerAnswer,
      errors: ['conflict'],
    }),
    async (c) => {
      const { name } = await bodyOf(c, registerRequest)
      const { token, record } = await access.register(c.get('principal'), name)
      log.info({ token: record.name, with: c.get('principal').name }, 'worker registered')
      return answer(c, { token, name: record.name, role: record.role, types: record.types })
    },
  )

  return app
}
