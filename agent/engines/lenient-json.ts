import { AppError, messageOf } from '../../shared/errors.ts'

/**
 * Parses JSON that escapes too little: broken UTF-8 becomes U+FFFD, control characters inside a text become spaces;
 * Python's `NaN` and `Infinity`, which JSON does not have, become null.
 * @throws {AppError} `engine_failed` when it is not valid otherwise.
 */
export function parseLenient(output: Buffer, engine: string): unknown {
  const text = output.toString('utf8').replace(/^\uFEFF/, '')
  try {
    return JSON.parse(text)
  } catch {
    try {
      return JSON.parse(repaired(text))
    } catch (error) {
      const what = text.trim() === '' ? 'its output is empty' : `its output is not whole JSON`
      throw new AppError(
        'engine_failed',
        `The engine ${engine} failed: ${what} (${messageOf(error).slice(0, 200)}).`,
        { cause: error },
      )
    }
  }
}

function repaired(text: string): string {
  return (
    text
      // eslint-disable-next-line no-control-regex -- these are what is looked for
      .replaceAll(/[\u0000-\u001f]/g, ' ')
      .replaceAll(/"[^"\\]*(?:\\.[^"\\]*)*"|-?\bInfinity\b|\bNaN\b/gs, (match) =>
        match.startsWith('"') ? match : 'null',
      )
  )
}
