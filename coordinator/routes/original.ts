import { Hono } from 'hono'
import { z } from 'zod'
import { parseWire } from '../../shared/parse-wire.ts'
import { transcriptMetadata } from '../../shared/transcript.ts'
import { namedObject, opaque } from '../../shared/wire-fields.ts'
import {
  createdAnswer,
  createFromUrl,
  createRequest,
  pollQuery,
  resultAnswer,
  resultRequest,
  statusAnswer,
  uploadFields,
} from '../../shared/wire.ts'
import { jobFor, typesFor } from '../access/ownership.ts'
import type { Submission } from '../intake.ts'
import { hasEnded, type Job } from '../job/job.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { RANGE_HEADERS, RANGE_STATUSES, sendSource } from './download.ts'
import {
  answer,
  bytesOf,
  callerGone,
  FILE_PART,
  formOf,
  IDEMPOTENCY_HEADER,
  isForm,
  jsonOf,
  LEASE_HEADER,
  submissionOf,
  type Env,
} from './http.ts'

const polledJob = z.object({
  job_id: z.string(),
  source_file_url: z.string(),
  content_type: z.string(),
  task_options: opaque,
})
/** All null without a job; with a `max_jobs` above one, all of them in `jobs`, too. */
const pollAnswer = namedObject('PolledJob', {
  job_id: z.string().nullable(),
  source_file_url: z.string().nullable(),
  content_type: z.string().nullable(),
  task_options: opaque.nullable(),
  jobs: z.array(polledJob).exactOptional(),
})

/** For the document: the metadata is checked apart, as it is large. */
const describedResult = resultRequest
  .extend({ metadata: transcriptMetadata.nullish() })
  .meta({ id: 'Result' })

const RESULT_MIB = 64

/** The contract of the original system, which its clients and workers rely on; creation also takes an upload. */
export function originalRoutes(services: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { access, attempts, claims, intake, jobs, files, views, workers } = services

  app.post(
    '/remote-jobs',
    describeRoute({
      id: 'createJob',
      tag: 'Jobs',
      access: ['submit'],
      summary: 'Create a job',
      description:
        'From an uploaded file; with JSON from a path that the coordinator sees inside a media root, or from `source_url`.',
      headers: IDEMPOTENCY_HEADER,
      body: {
        json: z.union([createRequest, createFromUrl]),
        form: {
          allOf: [
            uploadFields,
            { type: 'object', properties: { file: FILE_PART }, required: ['file'] },
          ],
        },
      },
      answer: createdAnswer,
      errors: [
        'conflict',
        'quota_exceeded',
        'source_missing',
        'forbidden',
        'unsupported_media',
        'too_large',
        'bad_gateway',
        'no_space',
      ],
    }),
    async (c) => {
      const submission = submissionOf(c)
      const { jobId, status, createdAt } = isForm(c)
        ? await intake.fromUpload(formOf(c), submission)
        : await fromJson(await jsonOf(c), submission, () => callerGone(c))
      return answer(c, { jobId, status, createdAt })
    },
  )

  app.get(
    '/remote-jobs/poll',
    describeRoute({
      id: 'pollJobs',
      tag: 'Workers',
      access: ['worker'],
      summary: 'Claim a job the way workers of the original do',
      query: pollQuery,
      answer: pollAnswer,
      errors: ['invalid', 'worker_id_taken'],
    }),
    async (c) => {
      // Clients send one comma-separated value, or repeat the key.
      const types = c.req.queries('content_types')?.join(',')
      const query = { ...c.req.query(), content_types: types }
      const { workerId, contentTypes: asked, maxJobs } = parseWire(pollQuery, query, 'query')
      // A claim by HEAD would lose the job: its answer has no body.
      if (c.req.method === 'HEAD') return c.body(null)
      const principal = c.get('principal')
      const contentTypes = typesFor(principal, asked)
      access.names.use(principal, workerId)
      workers.update(workerId, { contentTypes })
      const signal = callerGone(c)
      const { tokenId } = principal
      const polled = await claims.claim(
        { workerId, tokenId, contentTypes, maxJobs, claimId: null, waitMs: 0, signal },
        async (claimed) => claimed.map((job) => views.polled(job)),
      )
      const first = polled[0] ?? {
        jobId: null,
        sourceFileUrl: null,
        contentType: null,
        taskOptions: null,
      }
      return answer(c, maxJobs > 1 ? { ...first, jobs: polled } : first)
    },
  )

  app.get(
    '/remote-jobs/:id/download',
    describeRoute({
      id: 'downloadSource',
      tag: 'Workers',
      access: ['worker'],
      summary: "A job's source file",
      description:
        'With the lease token in the header, or with the `token` of a polled `source_file_url`.',
      query: z.object({ token: z.string().exactOptional() }),
      headers: { 'Morag-Lease': LEASE_HEADER, ...RANGE_HEADERS },
      answer: ['application/octet-stream'],
      also: RANGE_STATUSES,
      errors: ['source_missing', 'source_changed'],
    }),
    async (c) => {
      const principal = c.get('principal')
      const job = await jobFor(principal, jobs, c.req.param('id'))
      const lease = c.req.header('morag-lease') ?? null
      const tokens = { lease, query: c.req.query('token') ?? null }
      const attempt = await attempts.mayDownload(job, tokens, principal)
      const onSent = async (): Promise<void> => await attempts.downloaded(job, attempt)
      return await sendSource(c, job, await files.sources.read(job), { onSent })
    },
  )

  app.put(
    '/remote-jobs/:id/result',
    describeRoute({
      id: 'putResult',
      tag: 'Workers',
      access: ['worker'],
      summary: 'Deliver a transcript, or why there is none',
      description:
        'Sending the same result again gets the same answer. With a `lease_token`, the metadata of a result that has `segments` is checked; without one, as in the original, it is taken as it is.',
      body: { json: describedResult },
      answer: resultAnswer,
      errors: ['conflict', 'lease_lost', 'no_space'],
    }),
    async (c) => {
      const received = await files.transcripts.receive(await bytesOf(c, RESULT_MIB))
      const principal = c.get('principal')
      const { jobId } = await jobFor(principal, jobs, c.req.param('id'))
      const job = await attempts.finish(jobId, received, principal)
      const ingestionContinued = hasEnded(job) && job.continuation !== null
      return answer(c, { status: job.status, ingestionContinued })
    },
  )

  app.get(
    '/remote-jobs/:id/status',
    describeRoute({
      id: 'getJobStatus',
      tag: 'Jobs',
      access: ['submit', 'read', 'worker'],
      summary: 'Status and progress of a job',
      answer: statusAnswer,
    }),
    async (c) =>
      answer(c, await views.status(await jobFor(c.get('principal'), jobs, c.req.param('id')))),
  )

  async function fromJson(
    json: unknown,
    submission: Submission,
    gone: () => AbortSignal,
  ): Promise<Job> {
    if (typeof json !== 'object' || json === null || !('source_url' in json))
      return await intake.fromPath(parseWire(createRequest, json, 'body'), submission)
    const { ingestionTaskId, ...request } = parseWire(createFromUrl, json, 'body')
    const wanted = { ...request, ...(ingestionTaskId != null && { ingestionTaskId }) }
    return await intake.fromUrl(wanted, submission, {
      signal: gone(),
      isKept: false,
      check: () => undefined,
    })
  }

  return app
}
