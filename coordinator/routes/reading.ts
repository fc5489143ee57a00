import { Hono, type Context } from 'hono'
import { z } from 'zod'
import { invalid } from '../../shared/errors.ts'
import { chunkOverlap, chunkTokens } from '../../shared/chunks.ts'
import {
  ENDINGS,
  FORMS,
  MEDIA_TYPES,
  renderOptionsOf,
  type Form,
  type RenderOptions,
} from '../../shared/forms.ts'
import { SUBTITLE_OPTIONS } from '../../shared/subtitle-options.ts'
import { jobAnswer, listAnswer, transcriptAnswer } from '../../shared/wire-answers.ts'
import { listQuery } from '../../shared/wire.ts'
import { lenientBoolean } from '../../shared/wire-fields.ts'
import { jobFor, ownerOf } from '../access/ownership.ts'
import { completed, hasEnded, type Job } from '../job/job.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { OrderKey } from '../storage/job-store.ts'
import type { Services } from '../assemble.ts'
import { RANGE_HEADERS, RANGE_STATUSES, sendSource } from './download.ts'
import { answer, queryOf, type Env } from './http.ts'
import { sendFields, sendForm, transcriptReaders } from './send-transcript.ts'

const numeric = z.string().trim().min(1).transform(Number)
/** Of chunks and subtitles; left out: the job's own, else the defaults. */
const formQuery = z.object({
  chunk_tokens: numeric.pipe(chunkTokens).exactOptional(),
  chunk_overlap: numeric.pipe(chunkOverlap).exactOptional(),
  subtitles: SUBTITLE_OPTIONS.subtitles.schema.exactOptional(),
  max_line_chars: numeric.pipe(SUBTITLE_OPTIONS.max_line_chars.schema).exactOptional(),
  max_lines: numeric.pipe(SUBTITLE_OPTIONS.max_lines.schema).exactOptional(),
})

/** Whether an unfinished transcript is wanted, too. */
const partialQuery = z.object({ partial: lenientBoolean.exactOptional() })
const PARTIAL =
  'With `partial=true`, of a job that has not ended: what is recognised so far, with the header `Morag-Partial: true`.'
/** How often agents send what is new. */
const RETRY_PARTIAL_SECONDS = 10
const fileQuery = z.object({ ...formQuery.shape, ...partialQuery.shape })

/** Reading jobs, transcripts and recordings. */
export function readingRoutes({ config, files, jobs, views }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const readerOf = transcriptReaders()

  app.get(
    '/remote-jobs',
    describeRoute({
      id: 'listJobs',
      tag: 'Jobs',
      access: ['submit', 'read'],
      summary: 'List jobs, newest first',
      query: listQuery,
      answer: listAnswer,
      errors: ['invalid'],
    }),
    async (c) => {
      const { limit, cursor, ...wanted } = queryOf(c, listQuery)
      const before = cursor === undefined ? undefined : keyOf(cursor)
      const query = { ...wanted, submittedBy: ownerOf(c.var.principal), before }
      const { jobs: page, isLast } = await jobs.reader.list(query, limit)
      return answer(c, {
        jobs: page.map((job) => views.summary(job)),
        nextCursor: isLast ? null : cursorOf(page.at(-1)!),
      })
    },
  )

  app.get(
    '/remote-jobs/:id',
    describeRoute({
      id: 'getJob',
      tag: 'Jobs',
      access: ['submit', 'read'],
      summary: 'A job with its attempts',
      answer: jobAnswer,
    }),
    async (c) =>
      answer(c, await views.detail(await jobFor(c.var.principal, jobs, c.req.param('id')))),
  )

  app.get(
    '/remote-jobs/:id/result',
    describeRoute({
      id: 'getTranscript',
      tag: 'Transcripts',
      access: ['submit', 'read'],
      summary: 'The transcript of a completed job',
      description: PARTIAL,
      query: partialQuery,
      answer: transcriptAnswer,
      also: { '202': 'Nothing is recognised yet.' },
      errors: ['conflict'],
    }),
    async (c) => {
      const asked = await jobFor(c.var.principal, jobs, c.req.param('id'))
      if (queryOf(c, partialQuery).partial === true && !hasEnded(asked)) {
        return await sendFields(c, await partialOf(c, asked, 'result'), {
          before: `{"job_id":${JSON.stringify(asked.jobId)},"partial":true,`,
          after: `,"processing_time":null}`,
        })
      }
      const job = completed(asked)
      return await sendFields(c, await files.transcripts.json(job, readerOf(c)), {
        before: `{"job_id":${JSON.stringify(job.jobId)},`,
        after: `,"processing_time":${JSON.stringify(job.result.processingSeconds)}}`,
      })
    },
  )

  app.get(
    `/remote-jobs/:id/:file{result\\.(${Object.values(ENDINGS).join('|').replaceAll('.', '\\.')})}`,
    describeRoute({
      id: 'getTranscriptFile',
      tag: 'Transcripts',
      access: ['submit', 'read'],
      summary: 'The transcript as a file',
      description: `For a result without segments, as of a document, \`result.txt\` is its text, \`result.json\` has it as \`text\`, and formats with times are refused. ${PARTIAL}`,
      query: fileQuery,
      path: {
        file: {
          description: 'Its ending selects the format.',
          schema: {
            type: 'string',
            enum: Object.values(ENDINGS).map((ending) => `result.${ending}`),
          },
        },
      },
      answer: Object.values(MEDIA_TYPES),
      also: { '202': 'Nothing is recognised yet.' },
      errors: ['conflict'],
    }),
    async (c) => {
      const job = await jobFor(c.var.principal, jobs, c.req.param('id'))
      const ending = c.req.param('file').slice('result.'.length)
      const form = FORMS.find((one) => ENDINGS[one] === ending)!
      const {
        chunkTokens: tokens,
        chunkOverlap: overlap,
        partial,
        ...subtitles
      } = queryOf(c, fileQuery)
      const options = {
        ...renderOptionsOf(job.taskOptions),
        ...subtitles,
        ...(tokens !== undefined && { tokens }),
        ...(overlap !== undefined && { overlap }),
        jobId: job.jobId,
        ...(config.ingestion.publicUrl !== null && { baseUrl: config.ingestion.publicUrl }),
      }
      const text =
        partial === true && !hasEnded(job)
          ? await partialOf(c, job, form, options)
          : await files.transcripts.form(completed(job), form, readerOf(c), options)
      return await sendForm(c, text, MEDIA_TYPES[form])
    },
  )

  // Workers fetch the recording by `download`, with their lease.
  app.get(
    '/remote-jobs/:id/source',
    describeRoute({
      id: 'getSource',
      tag: 'Transcripts',
      access: ['submit', 'read'],
      summary: 'The recording, for a player',
      description: 'With its media type where that is audio or video.',
      headers: RANGE_HEADERS,
      answer: ['audio/*', 'video/*', 'application/octet-stream'],
      also: RANGE_STATUSES,
      errors: ['source_missing', 'source_changed'],
    }),
    async (c) => {
      const job = await jobFor(c.var.principal, jobs, c.req.param('id'))
      const mediaType = await files.sources.mediaType(job)
      return await sendSource(c, job, await files.sources.read(job), { mediaType })
    },
  )

  /** What is recognised of a job so far; 202 while that is nothing. */
  async function partialOf(
    c: Context<Env>,
    job: Job,
    form: Form | 'result',
    options: RenderOptions = {},
  ): Promise<string> {
    const release = await readerOf(c).hold()
    try {
      const { text, isEmpty } = await files.checkpoints.partialForm(job, form, options)
      c.header('morag-partial', 'true')
      if (isEmpty) {
        c.status(202)
        c.header('retry-after', String(RETRY_PARTIAL_SECONDS))
      }
      return text
    } finally {
      release()
    }
  }

  return app
}

function cursorOf({ createdAt, jobId }: OrderKey): string {
  return Buffer.from(`${createdAt}:${jobId}`).toString('base64url')
}

function keyOf(cursor: string): OrderKey {
  const parts = /^(\d+):(.+)$/.exec(Buffer.from(cursor, 'base64url').toString())
  if (parts === null) {
    throw invalid('Unknown cursor: use next_cursor of the previous page.', ['query', 'cursor'])
  }
  return { createdAt: Number(parts[1]), jobId: parts[2]! }
}
