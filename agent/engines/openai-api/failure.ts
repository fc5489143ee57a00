import { z } from 'zod'
import { AppError, type ErrorCode } from '../../../shared/errors.ts'
import { oneLine } from '../../../shared/render.ts'

const OUT_OF_MEMORY = /out of memory|OutOfMemory|ALLOC_FAILED|cudaMalloc/i
const MODEL =
  /model\b.*(not (found|installed|available|exist|loaded)|does not exist|isn't|invalid)|(unknown|no such|invalid) model|model_not_found/is
const LANGUAGE =
  /language\b.*(not (supported|valid)|unsupported|invalid)|unsupported language|invalid language/is

export function serverFailure(
  status: number,
  body: Buffer,
  {
    server,
    model,
    retryAfterSeconds,
  }: {
    server: string
    model: string
    retryAfterSeconds: number | undefined
  },
): AppError {
  // The message may quote the key.
  const refused = status === 401 || status === 403
  const message = refused ? '' : wordsOf(body)
  const fail = (code: ErrorCode, what: string): AppError =>
    new AppError(
      code,
      `The server at ${server} ${what}${message === '' ? '.' : `: ${message}`}`,
      retryAfterSeconds === undefined ? {} : { retryAfterSeconds },
    )
  if (refused) {
    const fix = 'Set MORAG_ENGINE_API_KEY to a valid one'
    return fail('engine_failed', `refuses the key (${status}). ${fix}`)
  }
  if (status < 500 && MODEL.test(message)) return fail('model_missing', `has no model '${model}'`)
  if (status < 500 && LANGUAGE.test(message)) {
    return fail('unsupported_language', 'does not know that language')
  }
  switch (status) {
    case 404:
    case 405:
      return fail('engine_missing', 'has no transcription at that address. Correct --engine-url')
    case 413:
      return fail('engine_failed', 'does not take recordings of that size (413). Raise its limit')
    case 429:
      return fail('engine_failed', 'is overloaded, or the quota is used up (429)')
    default:
      return OUT_OF_MEMORY.test(message)
        ? fail('gpu_out_of_memory', 'has too little memory')
        : fail('engine_failed', `answered ${status}`)
  }
}

export function isBusy(status: number, body: Buffer): boolean {
  if (status === 429) return !/insufficient_quota/.test(body.toString())
  return status === 502 || status === 503 || status === 504
}

export function isOutOfMemory(status: number, body: Buffer): boolean {
  return status >= 500 && OUT_OF_MEMORY.test(body.toString())
}

/** Whether the server may refuse a field that it does not know. */
export function isAboutFields(status: number): boolean {
  return status === 400 || status === 422
}

/** Whether the server refuses the response format, so that a simpler one may work. */
export function isAboutForm(status: number, body: Buffer): boolean {
  return (
    (isAboutFields(status) || status === 501) &&
    /verbose_json|response_format|timestamp_granularit/i.test(body.toString())
  )
}

const known = z.looseObject({
  error: z.union([z.string(), z.looseObject({ message: z.string() })]).optional(),
  detail: z.unknown().optional(),
  message: z.string().optional(),
})

function wordsOf(body: Buffer): string {
  const text = body.toString()
  return oneLine(fromJson(text) ?? text).slice(0, 300)
}

function fromJson(text: string): string | undefined {
  try {
    const { error, detail, message } = known.parse(JSON.parse(text))
    if (typeof error === 'string') return error
    if (error !== undefined) return error.message
    return typeof detail === 'string'
      ? detail
      : detail === undefined
        ? message
        : JSON.stringify(detail)
  } catch {
    return undefined
  }
}
