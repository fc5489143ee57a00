import { Hono } from 'hono'
import { z } from 'zod'
import { namedObject } from '../../shared/wire-fields.ts'
import { jobFor } from '../access/ownership.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import type { Services } from '../assemble.ts'
import { sendFile } from './download.ts'
import { answer, LEASE_HEADER, type Env } from './http.ts'

/** Files beside a result: a worker sends them, readers of the result fetch them. */
export function artifactRoutes({ attempts, files, jobs }: Services): Hono<Env> {
  const app = new Hono<Env>()
  const { artifacts } = files

  app.get(
    '/remote-jobs/:id/artifacts',
    describeRoute({
      id: 'listArtifacts',
      tag: 'Transcripts',
      access: ['submit', 'read'],
      summary: 'The files beside the transcript',
      answer: namedObject('Artifacts', {
        artifacts: z.array(
          z.object({ name: z.string(), size_bytes: z.number(), content_type: z.string() }),
        ),
      }),
    }),
    async (c) => {
      const { jobId } = await jobFor(c.var.principal, jobs, c.req.param('id'))
      return answer(c, { artifacts: await artifacts.list(jobId) })
    },
  )

  app.put(
    '/remote-jobs/:id/artifacts/:name',
    describeRoute({
      id: 'putArtifact',
      tag: 'Workers',
      access: ['worker'],
      summary: 'Store a file beside the transcript',
      headers: { 'Morag-Lease': { ...LEASE_HEADER, isRequired: true } },
      body: { isBytes: true },
      answer: namedObject('Artifact', {
        name: z.string(),
        size_bytes: z.number(),
        sha256: z.string(),
      }),
      errors: ['lease_lost', 'no_space'],
    }),
    async (c) => {
      const { principal } = c.var
      const { id, name } = c.req.param()
      const { jobId } = await jobFor(principal, jobs, id)
      const lease = c.req.header('morag-lease') ?? null
      const isAllowed = async (): Promise<void> => await attempts.mayUpload(jobId, lease, principal)
      return answer(c, { name, ...(await artifacts.save(jobId, name, c.env.incoming, isAllowed)) })
    },
  )

  app.get(
    '/remote-jobs/:id/artifacts/:name',
    describeRoute({
      id: 'getArtifact',
      tag: 'Transcripts',
      access: ['submit', 'read'],
      summary: 'A file beside the transcript',
      answer: ['application/octet-stream'],
      errors: ['invalid'],
    }),
    async (c) => {
      const { jobId } = await jobFor(c.var.principal, jobs, c.req.param('id'))
      const { file, sizeBytes, contentType } = await artifacts.read(jobId, c.req.param('name'))
      return await sendFile(c, file, { start: 0, end: sizeBytes - 1 }, 200, {
        'content-type': contentType,
        'content-length': String(sizeBytes),
      })
    },
  )

  return app
}
