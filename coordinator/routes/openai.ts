import { PassThrough } from 'node:stream'
import { Hono } from 'hono'
import { z } from 'zod'
import { writeJson } from '../../shared/exact-json.ts'
import { SECOND } from '../../shared/duration.ts'
import { invalid } from '../../shared/errors.ts'
import { namedObject } from '../../shared/wire-fields.ts'
import type { Services } from '../assemble.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import { openaiError } from '../speech/openai-error.ts'
import { openaiFields, openaiRequest } from '../speech/openai-request.ts'
import { FILE_PART, IDEMPOTENCY_HEADER, type Env } from './http.ts'
import type { SpeechApi, SpeechJobs } from './speech-jobs.ts'

const model = namedObject('OpenAiModel', {
  id: z.string(),
  object: z.literal('model'),
  /** Seconds since 1970. */
  created: z.int(),
  owned_by: z.string(),
})
type Model = z.output<typeof model>

const modelList = namedObject('OpenAiModels', { object: z.literal('list'), data: z.array(model) })

export const PREFER_HEADER = {
  Prefer: {
    description: "`respond-async`: answered at once with 202 and the job's address.",
  },
}

/** OpenAI's audio API, at `/v1`. */
export function openaiRoutes({ jobs }: Services, speech: SpeechJobs): Hono<Env> {
  const app = new Hono<Env>()
  const created = Math.floor(jobs.now() / SECOND)

  const apiOf = (task: 'transcribe' | 'translate'): SpeechApi => ({
    part: () => ({ name: 'file', convert: new PassThrough() }),
    read: (given, fleet) => openaiRequest(given, task, fleet),
    errorOf: openaiError,
  })
  const form = {
    allOf: [openaiFields, { type: 'object', properties: { file: FILE_PART }, required: ['file'] }],
  }
  for (const { task, path, id, summary } of [
    {
      task: 'transcribe',
      path: '/audio/transcriptions',
      id: 'createTranscription',
      summary: "OpenAI's transcription",
    },
    {
      task: 'translate',
      path: '/audio/translations',
      id: 'createTranslation',
      summary: "OpenAI's translation into English",
    },
  ] as const) {
    app.post(
      path,
      describeRoute({
        id,
        tag: 'Speech',
        access: ['submit'],
        summary,
        description: 'The file becomes a job; the answer waits for its transcript.',
        headers: { ...IDEMPOTENCY_HEADER, ...PREFER_HEADER },
        body: { form },
        answer: [
          'application/json',
          'text/plain',
          'application/x-subrip',
          'text/vtt',
          'text/event-stream',
        ],
        also: { '202': 'The job, which is not waited for.' },
        errors: ['conflict', 'quota_exceeded', 'not_found', 'no_space', 'cancelled'],
      }),
      async (c) => await speech.answer(c, apiOf(task)),
    )
  }

  app.get(
    '/models',
    describeRoute({
      id: 'listModels',
      tag: 'Speech',
      access: ['submit', 'read'],
      summary: 'The models of the connected agents, and their aliases',
      answer: modelList,
    }),
    () => json({ object: 'list', data: models() }),
  )

  app.get(
    '/models/:model{.+}',
    describeRoute({
      id: 'getModel',
      tag: 'Speech',
      access: ['submit', 'read'],
      summary: 'One of them',
      answer: model,
    }),
    (c) => {
      const name = c.req.param('model')
      const found = models().find(({ id }) => id === name)
      if (found !== undefined) return json(found)
      throw invalid(`There is no model '${name.slice(0, 200)}'.`, ['path', 'model'], 'not_found')
    },
  )

  function models(): Model[] {
    const { aliases, models: own } = speech.fleet()
    const ids = new Set([...aliases.keys(), ...own])
    return [...ids].map((id) => ({ id, object: 'model', created, owned_by: 'morag' }))
  }

  return app
}

/** Keys are OpenAI's own. */
function json(value: object): Response {
  return new Response(writeJson(value), { headers: { 'content-type': 'application/json' } })
}
