import { Hono } from 'hono'
import { tryJson } from '../../shared/body-text.ts'
import { AppError } from '../../shared/errors.ts'
import { ingestionCallback, ingestionCallbackAnswer } from '../../shared/wire-ingestion.ts'
import { triedOf } from '../ingestion/ingest.ts'
import { outcomeOfCallback } from '../ingestion/ingest-outcome.ts'
import { hasEnded } from '../job/job.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { bytesOf, type Env } from './http.ts'

/** A result may come with its metadata and all segments. */
const MAX_MIB = 32

export function callbackRoutes({ callbacks, continuations, jobs, log }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.post(
    '/ingestion/callbacks/:id/:token',
    describeRoute({
      id: 'ingestionCallback',
      tag: 'Ingestion',
      // The MoRAG server sends no key: the path is the secret.
      access: 'open',
      summary: 'The MoRAG server reports how an ingestion ended',
      description:
        "The address is made for one end of one job and given to the MoRAG server alone. Takes what the server's versions send.",
      body: { json: ingestionCallback },
      answer: ingestionCallbackAnswer,
    }),
    async (c) => {
      const { id: jobId, token } = c.req.param()
      const job = await jobs.find(jobId)
      const continuation = job !== undefined && hasEnded(job) ? job.continuation : null
      if (continuation === null || !callbacks.isGenuine(jobId, continuation.id, token))
        throw new AppError('not_found', 'No continuation waits for this callback.')
      const payload = tryJson((await bytesOf(c, MAX_MIB)).toString('utf8'))
      const task = continuation.steps.find(({ name }) => name === 'ingest')?.task
      const outcome = outcomeOfCallback(task?.api ?? 'stages', payload)
      log.debug({ job_id: jobId, is_end: outcome !== null }, 'the MoRAG server called back')
      const taken =
        outcome !== null &&
        (await continuations.settle(jobId, continuation.id, 'ingest', triedOf(outcome)))
      // 200: its versions count nothing else as delivered.
      return c.json({ status: taken ? 'taken' : 'heard' })
    },
  )

  return app
}
