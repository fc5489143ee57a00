import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { oneLine } from '../../shared/render.ts'
import type { Outcome } from './cli-program.ts'

/** What a text on the standard error means; the first match counts. */
export interface FailureText {
  pattern: RegExp
  code: ErrorCode
  /** Ends the sentence `The engine NAME failed: …`. */
  why: string
}

/** Printed by any program that runs on a GPU or is linked to shared libraries. */
const COMMON: readonly FailureText[] = [
  {
    pattern:
      /error while loading shared libraries|cannot open shared object file|Library not loaded/i,
    code: 'engine_missing',
    why: 'a library it needs is not installed here',
  },
  {
    pattern: /no CUDA-capable device|driver version is insufficient|no kernel image is available/i,
    code: 'engine_failed',
    why: 'it cannot use the GPU: its driver is missing, too old, or not made for this GPU',
  },
]

/**
 * The error that the end of a program means; null when it ended well and its standard error holds nothing known. The
 * standard output is not searched: it may hold what is said in the recording.
 * @param known what this program prints when it fails; looked for after a success too.
 */
export function programFailure(
  name: string,
  outcome: Outcome,
  known: readonly FailureText[],
): AppError | null {
  const { exitCode, signal, stderr } = outcome
  const failed = exitCode !== 0
  const text = [...known, ...(failed ? COMMON : [])].find(({ pattern }) => pattern.test(stderr))
  if (text !== undefined) return failure(name, text.code, `${text.why}${quoted(stderr, text)}`)
  if (!failed) return null
  const why = endedBy(exitCode, signal)
  const last = lastLine(stderr)
  return failure(name, 'engine_failed', last === '' ? why : `${why}: ${last}`)
}

function endedBy(exitCode: number | null, signal: string | null): string {
  if (signal === 'SIGKILL' || exitCode === 137) {
    return 'it was killed, most likely because the memory of this machine ran out'
  }
  if (signal === 'SIGILL' || exitCode === 132) return 'it is built for another CPU than this one'
  return signal === null ? `it ended with code ${exitCode}` : `it crashed (${signal})`
}

function quoted(stderr: string, { pattern }: FailureText): string {
  const line = stderr.split(/\r|\n/).find((one) => pattern.test(one)) ?? ''
  const said = withoutFolders(oneLine(line)).slice(0, 200).replace(/[.]+$/, '')
  return said === '' ? '' : ` (${said})`
}

export function lastLine(stderr: string): string {
  const lines = stderr.split(/\r|\n/).map(oneLine)
  const last = lines.findLast((line) => line !== '') ?? ''
  return withoutFolders(last).slice(0, 300).replace(/[.]+$/, '')
}

/** The sentence goes to the job's owner: paths of this machine are cut out. */
function withoutFolders(line: string): string {
  return line.replaceAll(/(?<![\w.])\/(?:[^\s/'":]+\/)+(?=[^\s/])/g, '')
}

function failure(name: string, code: ErrorCode, why: string): AppError {
  return new AppError(code, `The engine ${name} failed: ${why}.`)
}
