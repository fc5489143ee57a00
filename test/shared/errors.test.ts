import assert from 'node:assert/strict'
import { constants } from 'node:os'
import { test } from 'node:test'
import {
  AppError,
  EXIT,
  exitCodeOf,
  isDiskFull,
  isErrorCode,
  isRetryable,
  isRetryableCode,
  isSystemError,
  messageOf,
  statusOf,
  type ErrorCode,
} from '../../shared/errors.ts'

/** The list again, so that nobody changes it without meaning to: code → HTTP status and whether to try again. */
const LIST: Record<ErrorCode, [number, boolean]> = {
  usage: [400, false],
  bad_request: [400, false],
  invalid: [422, false],
  unauthorized: [401, false],
  forbidden: [403, false],
  not_found: [404, false],
  method_not_allowed: [405, false],
  request_timeout: [408, true],
  conflict: [409, false],
  lease_lost: [409, false],
  too_large: [413, false],
  range_not_satisfiable: [416, false],
  too_many_requests: [429, true],
  quota_exceeded: [429, true],
  headers_too_large: [431, false],
  internal: [500, true],
  bad_gateway: [502, true],
  unavailable: [503, true],
  worker_id_taken: [503, true],
  no_space: [507, true],
  invalid_media: [422, false],
  no_audio: [422, false],
  unsupported_media: [422, false],
  unsupported_language: [422, false],
  source_missing: [404, false],
  source_changed: [409, false],
  result_too_large: [413, false],
  download_failed: [502, true],
  engine_failed: [500, true],
  engine_missing: [500, true],
  model_missing: [500, true],
  gpu_out_of_memory: [500, true],
  work_dir_failed: [500, true],
  unsupported_type: [422, true],
  timeout: [504, true],
  stalled: [504, true],
  worker_lost: [504, true],
  cancelled: [409, false],
}
const CODES = Object.entries(LIST) as [ErrorCode, [number, boolean]][]

test('every code has its HTTP status and says whether another try can help', () => {
  for (const [code, [status, retryable]] of CODES) {
    assert.ok(isErrorCode(code))
    assert.equal(statusOf(code), status, code)
    assert.equal(isRetryable(new AppError(code, 'x')), retryable, code)
    assert.equal(isRetryableCode(code), retryable, code)
  }
})

test('the list of codes is closed, also to the names that every object has', () => {
  for (const word of ['nonsense', 'constructor', '__proto__', 'toString', '', null, 5, undefined])
    assert.equal(isErrorCode(word), false, String(word))
})

test('an unexpected error may pass, so another try can help', () => {
  for (const thrown of [new Error('x'), new TypeError('x'), 'a string', undefined])
    assert.equal(isRetryable(thrown), true)
  assert.equal(isRetryableCode('a code of a newer agent'), true)
  assert.equal(isRetryableCode('constructor'), true)
})

test('a program ends with 2 for wrong usage, 3 without rights, 130 when stopped, else 1', () => {
  const expected: Partial<Record<ErrorCode, number>> = {
    usage: 2,
    unauthorized: 3,
    forbidden: 3,
    cancelled: 130,
  }
  for (const [code] of CODES)
    assert.equal(exitCodeOf(new AppError(code, 'x')), expected[code] ?? 1, code)
  for (const thrown of [new Error('x'), 'a string', undefined]) assert.equal(exitCodeOf(thrown), 1)
  assert.deepEqual(EXIT, { done: 0, failed: 1, usage: 2, unauthorized: 3, interrupted: 130 })
})

test('an error keeps its cause, its problems and when to come back', () => {
  const cause = new Error('below')
  const problems = [{ loc: ['body', 'x'], msg: 'Field required', type: 'missing' }]
  const error = new AppError('invalid', 'above', { cause, problems, retryAfterSeconds: 5 })
  assert.ok(error instanceof Error)
  assert.equal(error.name, 'AppError')
  assert.equal(error.message, 'above')
  assert.equal(error.cause, cause)
  assert.equal(error.problems, problems)
  assert.equal(error.retryAfterSeconds, 5)
  const plain = new AppError('invalid', 'above')
  assert.equal('cause' in plain, false)
  assert.equal(plain.problems, undefined)
  assert.equal(plain.retryAfterSeconds, undefined)
})

test('anything that was thrown has a message', () => {
  assert.equal(messageOf(new Error('broken')), 'broken')
  assert.equal(messageOf('broken'), 'broken')
  assert.equal(messageOf(undefined), 'undefined')
})

test('a system error is known by its code', () => {
  const error = Object.assign(new Error('x'), { code: 'ENOENT' })
  assert.equal(isSystemError(error, 'EACCES', 'ENOENT'), true)
  assert.equal(isSystemError(error, 'EACCES'), false)
  assert.equal(isSystemError(new Error('x'), 'ENOENT'), false)
  assert.equal(isSystemError({ code: 'ENOENT' }, 'ENOENT'), false)
})

test('an error that libuv has no name for is known by its number, and has words', () => {
  // As Node makes it; test/faults/journal-limits.test.ts has it from the kernel.
  const code = `Unknown system error -${constants.errno.EDQUOT}`
  const message = `${code}: ${code}, write '/srv/morag/journal.ndjson'`
  const quota = Object.assign(new Error(message), { errno: -constants.errno.EDQUOT, code })
  assert.ok(isSystemError(quota, 'EDQUOT'))
  assert.ok(!isSystemError(quota, 'ENOSPC', 'EIO'))
  assert.equal(messageOf(quota), "EDQUOT: disk quota exceeded, write '/srv/morag/journal.ndjson'")
  const nobodys = Object.assign(new Error('x'), {
    errno: -4_000,
    code: 'Unknown system error -4000',
  })
  assert.ok(!isSystemError(nobodys, 'EDQUOT'))
  assert.equal(messageOf(nobodys), 'x')
})

test('a disk is full, a quota used up, or a file as long as it may be', () => {
  const coded = (code: string): Error => Object.assign(new Error(code), { code })
  for (const code of ['ENOSPC', 'EDQUOT', 'EFBIG']) assert.ok(isDiskFull(coded(code)), code)
  for (const code of ['EIO', 'EROFS', 'EACCES']) assert.ok(!isDiskFull(coded(code)), code)
  assert.ok(!isDiskFull(new AppError('no_space', 'x')))
})
