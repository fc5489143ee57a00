import type { AppError, ErrorCode } from '../../shared/errors.ts'
import { statusOf } from '../../shared/errors.ts'

/** An error as OpenAI's API answers it. */
export interface OpenAiError {
  error: { message: string; type: string; param: string | null; code: string }
}

const CODES: Partial<Record<ErrorCode, string>> = {
  unauthorized: 'invalid_api_key',
  too_many_requests: 'rate_limit_exceeded',
  quota_exceeded: 'insufficient_quota',
}

export function openaiError({
  code,
  message,
  problems = [],
}: Pick<AppError, 'code' | 'message' | 'problems'>): OpenAiError {
  const status = openaiStatus(code)
  const last = problems[0]?.loc.slice(1).at(-1)
  const param = last === undefined ? null : String(last)
  const type =
    status >= 500 ? 'server_error' : status === 429 ? 'rate_limit_error' : 'invalid_request_error'
  const isModel = code === 'not_found' && param === 'model'
  return {
    error: { message, type, param, code: isModel ? 'model_not_found' : (CODES[code] ?? code) },
  }
}

/** OpenAI's API has no 422. */
export function openaiStatus(code: ErrorCode): number {
  const status = statusOf(code)
  return status === 422 ? 400 : status
}
