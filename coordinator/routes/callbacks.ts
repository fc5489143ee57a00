import { Hono } from 'hono'
import { AppError } from '../../shared/errors.ts'
import { triedOf } from '../ingestion/ingest.ts'
import { outcomeOfCallback } from '../ingestion/ingest-outcome.ts'
import { parseJson } from '../ingestion/morag-http.ts'
import { hasEnded } from '../job/job.ts'
import type { Services } from '../services.ts'
import { bytesOf, type Env } from './http.ts'

/** A result may be told with its metadata, segments and all. */
const MOST_MIB = 32

/** Where the MoRAG server says how an ingestion ended. Whoever has the address may: nobody else is told it. */
export function callbackRoutes({ callbacks, continuations, jobs, log }: Services): Hono<Env> {
  const app = new Hono<Env>()

  app.post('/ingestion/callbacks/:id/:token', async (c) => {
    const { id: jobId, token } = c.req.param()
    const job = jobs.find(jobId)
    const continuation = job !== undefined && hasEnded(job) ? job.continuation : null
    if (continuation === null || !callbacks.isGenuine(jobId, continuation.id, token))
      throw new AppError('not_found', 'Nobody waits for a call back here.')
    const payload = parseJson((await bytesOf(c, MOST_MIB)).toString('utf8'))
    const task = continuation.steps.find(({ name }) => name === 'ingest')?.task
    const outcome = outcomeOfCallback(task?.api ?? 'stages', payload)
    log.debug({ job_id: jobId, is_end: outcome !== null }, 'the MoRAG server called back')
    const taken =
      outcome !== null &&
      (await continuations.settle(jobId, continuation.id, 'ingest', triedOf(outcome)))
    // 200: its versions count nothing else as delivered.
    return c.json({ status: taken ? 'taken' : 'heard' })
  })

  return app
}
