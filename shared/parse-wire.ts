import type { z } from 'zod'
import { parseBounded } from './bounded-json.ts'
import { AppError, type Problem } from './errors.ts'
import { fromWire, type FromWire } from './keys.ts'

/**
 * Checks a request's value, and converts its keys.
 * @param where the part of the request, first in each problem's `loc`.
 * @throws {AppError} `invalid` with every problem.
 */
export function parseWire<S extends z.ZodType>(
  schema: S,
  value: unknown,
  where: 'body' | 'query' | 'path',
): FromWire<z.output<S>> {
  const result = schema.safeParse(value, { reportInput: true })
  if (result.success) return fromWire(result.data)
  throw misfit(result.error, [where])
}

/**
 * @param error of a check with `reportInput`.
 * @param where the place of the value in the request, first in each problem's `loc`.
 */
export function misfit({ issues }: z.ZodError, where: readonly (string | number)[]): AppError {
  const problems = issues.map((issue): Problem => {
    const loc = [
      ...where,
      ...issue.path.map((part) => (typeof part === 'symbol' ? String(part) : part)),
    ]
    const isMissing =
      ['invalid_type', 'invalid_union'].includes(issue.code) && issue.input === undefined
    return isMissing
      ? { loc, msg: 'Field required', type: 'missing' }
      : { loc, msg: issue.message, type: issue.code }
  })
  const message = problems.map(({ loc, msg }) => `${loc.join('.')}: ${msg}`).join('; ')
  return new AppError('invalid', message, { problems })
}

/** Foreign JSON. @throws {AppError} `invalid` when it is not JSON, or exceeds a limit. */
export function parseJson(text: string): unknown {
  try {
    return parseBounded(text)
  } catch (error) {
    const msg = error instanceof RangeError ? error.message : 'The body is not JSON.'
    const problems = [{ loc: ['body'], msg, type: 'json_invalid' }]
    throw new AppError('invalid', msg, { problems, cause: error })
  }
}
