import { constants } from 'node:os'

/**
 * All expected errors. `retryable` tells whether trying again can help: for a request that is the client's retry, for an
 * attempt the job's.
 */
export const CODES = {
  // Of requests.
  usage: { status: 400, retryable: false },
  bad_request: { status: 400, retryable: false },
  invalid: { status: 422, retryable: false },
  unauthorized: { status: 401, retryable: false },
  forbidden: { status: 403, retryable: false },
  not_found: { status: 404, retryable: false },
  method_not_allowed: { status: 405, retryable: false },
  request_timeout: { status: 408, retryable: true },
  conflict: { status: 409, retryable: false },
  lease_lost: { status: 409, retryable: false },
  too_large: { status: 413, retryable: false },
  range_not_satisfiable: { status: 416, retryable: false },
  too_many_requests: { status: 429, retryable: true },
  quota_exceeded: { status: 429, retryable: true },
  headers_too_large: { status: 431, retryable: false },
  internal: { status: 500, retryable: true },
  bad_gateway: { status: 502, retryable: true },
  unavailable: { status: 503, retryable: true },
  worker_id_taken: { status: 503, retryable: true },
  no_space: { status: 507, retryable: true },
  // Of attempts (beside too_large, no_space and internal): permanent …
  invalid_media: { status: 422, retryable: false },
  no_audio: { status: 422, retryable: false },
  unsupported_media: { status: 422, retryable: false },
  unsupported_language: { status: 422, retryable: false },
  source_missing: { status: 404, retryable: false },
  source_changed: { status: 409, retryable: false },
  result_too_large: { status: 413, retryable: false },
  // … and retryable.
  unsupported_type: { status: 422, retryable: true },
  download_failed: { status: 502, retryable: true },
  engine_failed: { status: 500, retryable: true },
  engine_missing: { status: 500, retryable: true },
  model_missing: { status: 500, retryable: true },
  gpu_out_of_memory: { status: 500, retryable: true },
  work_dir_failed: { status: 500, retryable: true },
  timeout: { status: 504, retryable: true },
  stalled: { status: 504, retryable: true },
  worker_lost: { status: 504, retryable: true },
  // Stopped on purpose; never a job's result.
  cancelled: { status: 409, retryable: false },
} as const satisfies Record<string, { status: number; retryable: boolean }>

export type ErrorCode = keyof typeof CODES

/** An expected error. `message` names the cause and the fix for people. */
export class AppError extends Error {
  readonly code: ErrorCode
  /** Of a request's fields, as in the `detail` of a 422. */
  readonly problems: readonly Problem[] | undefined
  /** As the other side asked. */
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, message: string, options: AppErrorOptions = {}) {
    super(message, 'cause' in options ? { cause: options.cause } : undefined)
    this.name = new.target.name
    this.code = code
    this.problems = options.problems
    this.retryAfterSeconds = options.retryAfterSeconds
  }
}

export interface AppErrorOptions {
  cause?: unknown
  problems?: readonly Problem[] | undefined
  retryAfterSeconds?: number | undefined
}

export interface Problem {
  loc: (string | number)[]
  msg: string
  type: string
}

/** A request with one wrong value. @param loc where it is: `body`, `query` or `path`, then the keys. */
export function invalid(msg: string, loc: Problem['loc'], code: ErrorCode = 'invalid'): AppError {
  return new AppError(code, msg, { problems: [{ loc, msg, type: 'value_error' }] })
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(CODES, value)
}

export function statusOf(code: ErrorCode): number {
  return CODES[code].status
}

/** Whether another try can help. Unexpected errors may pass. */
export function isRetryable(error: unknown): boolean {
  return error instanceof AppError ? CODES[error.code].retryable : true
}

/** Whether a worker's code allows another attempt; an unknown code does. */
export function isRetryableCode(code: string): boolean {
  return isErrorCode(code) ? CODES[code].retryable : true
}

/** Whether the cause is the worker's machine, not the job. */
export function isHostCode(code: string): boolean {
  return ['no_space', 'work_dir_failed', 'engine_missing', 'model_missing'].includes(code)
}

export function messageOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  const unnamed = unnamedIn(error)
  if (unnamed === null) return error.message
  const { nodeCode, code } = unnamed
  return error.message
    .replaceAll(nodeCode, code)
    .replace(`${code}: ${code}`, `${code}: ${wordsFor(code)}`)
}

/** Whether an error is a Node system error with one of these codes (`ENOENT`, …). */
export function isSystemError(error: unknown, ...codes: string[]): error is NodeJS.ErrnoException {
  if (!(error instanceof Error && 'code' in error)) return false
  return codes.includes(unnamedIn(error)?.code ?? String(error.code))
}

/** Whether the disk is full, the quota is used up, or the file is too large. */
export function isDiskFull(error: unknown): boolean {
  return isSystemError(error, 'ENOSPC', 'EDQUOT', 'EFBIG')
}

/** Node's name for an error that libuv does not know, and the system's. */
function unnamedIn(error: Error): { nodeCode: string; code: string } | null {
  if (!('code' in error && 'errno' in error)) return null
  const nodeCode = `Unknown system error ${String(error.errno)}`
  if (error.code !== nodeCode) return null
  const found = Object.entries(constants.errno).find(([, value]) => value === -Number(error.errno))
  return found === undefined ? null : { nodeCode, code: found[0] }
}

function wordsFor(code: string): string {
  const words: Readonly<Record<string, string>> = {
    EDQUOT: 'disk quota exceeded',
    ENOEXEC: 'no program for this machine',
    ESTALE: 'stale file handle',
  }
  return words[code] ?? 'system error'
}

export const EXIT = { done: 0, failed: 1, usage: 2, unauthorized: 3, interrupted: 130 } as const

const EXITS: Partial<Record<ErrorCode, number>> = {
  usage: EXIT.usage,
  unauthorized: EXIT.unauthorized,
  forbidden: EXIT.unauthorized,
  cancelled: EXIT.interrupted,
}

export function exitCodeOf(error: unknown): number {
  return (error instanceof AppError ? EXITS[error.code] : undefined) ?? EXIT.failed
}
