import { PassThrough } from 'node:stream'
import { Hono, type Context } from 'hono'
import { MEDIA_TYPES } from '../../shared/forms.ts'
import { isTrue } from '../../shared/wire-fields.ts'
import { describeRoute } from '../openapi/describe-route.ts'
import {
  asrFields,
  asrRequest,
  DETECTED_SECONDS,
  detectFields,
  detectRequest,
} from '../speech/asr-request.ts'
import { rawSamples } from '../speech/raw-samples.ts'
import type { FilePart } from '../blobs/upload.ts'
import { FILE_PART, IDEMPOTENCY_HEADER, type Env } from './http.ts'
import { PREFER_HEADER } from './openai.ts'
import type { SpeechApi, SpeechJobs } from './speech-jobs.ts'

const FORM = { type: 'object', properties: { audio_file: FILE_PART }, required: ['audio_file'] }
const ERRORS = ['conflict', 'quota_exceeded', 'no_space', 'cancelled'] as const

/** The API of whisper-asr-webservice, as Bazarr and others call it. */
export function whisperAsrRoutes(speech: SpeechJobs): Hono<Env> {
  const app = new Hono<Env>()
  const headers = { ...IDEMPOTENCY_HEADER, ...PREFER_HEADER }

  app.post(
    '/asr',
    describeRoute({
      id: 'asr',
      tag: 'Speech',
      access: ['submit'],
      summary: "whisper-asr-webservice's transcription",
      description: 'Parameters may also be fields of the form, except `encode`.',
      query: asrFields,
      headers,
      body: { form: FORM },
      answer: ['text/plain', 'application/x-subrip', 'text/vtt', MEDIA_TYPES.tsv, MEDIA_TYPES.json],
      also: { '202': 'The job, which is not waited for.' },
      errors: ERRORS,
    }),
    async (c) => await speech.answer(c, apiOf(asrRequest)),
  )

  app.post(
    '/detect-language',
    describeRoute({
      id: 'detectLanguage',
      tag: 'Speech',
      access: ['submit'],
      summary: "whisper-asr-webservice's language of the first 30 seconds",
      query: detectFields,
      headers,
      body: { form: FORM },
      answer: ['application/json'],
      also: { '202': 'The job, which is not waited for.' },
      errors: ERRORS,
    }),
    async (c) => await speech.answer(c, apiOf(detectRequest, DETECTED_SECONDS)),
  )

  return app
}

/** @param seconds of raw samples that are enough. */
function apiOf(read: SpeechApi['read'], seconds?: number): SpeechApi {
  const part = (c: Context<Env>): FilePart => {
    const isRaw = !isTrue(c.req.query('encode') ?? true)
    return { name: 'audio_file', convert: isRaw ? rawSamples(seconds) : new PassThrough() }
  }
  return { part, read, errorOf: ({ message, code }) => ({ detail: message, code }) }
}
