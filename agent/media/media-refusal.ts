import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import { kindOf } from './file-kind.ts'
import { endedBySignal, type ToolResult } from './media-tool.ts'

/** The tools' messages and their codes; the first match counts. Exit codes differ between versions. */
const REFUSALS: [RegExp, ErrorCode][] = [
  [/No space left on device|Disk quota exceeded/i, 'no_space'],
  [/matches no streams|does not contain any stream/i, 'no_audio'],
  [/exceeds max_streams/i, 'unsupported_media'],
  [/Cannot allocate memory|Resource temporarily unavailable/i, 'engine_failed'],
  [/No such file or directory|Permission denied/i, 'source_missing'],
  [
    /Decoder .*not found|Unknown decoder|no decoder (for|found)|Error binding filtergraph|codec not currently supported/i,
    'unsupported_media',
  ],
]

/** ffmpeg's formats of pictures, texts and lists. */
const NO_MEDIA =
  /_pipe$|^(image2|tty|gif|apng|ico|bin|xbin|adf|idf|hls|dash|concat\w*|sdp|srt|ass|webvtt|lrc|svg\w*)$/

/**
 * The error that a tool's failure means. Its message goes to the job's owner and has no path of this machine.
 * @param isUnsure the tool guessed the format with a low score: any file that begins with `[` may be lyrics (LRC).
 */
export async function refusal(
  file: string,
  result: ToolResult,
  { isUnsure = false } = {},
): Promise<AppError> {
  if (result.limit !== null) return beyond(result.limit)
  const printed = result.stderrTail
  const last = (printed.trim().split('\n').at(-1) ?? '')
    .replace(/^\[[^\]]* @ 0x[0-9a-f]+\] /, '')
    .replaceAll(`file:${file}: `, '')
    .replaceAll(file, 'the file')
  // Ended from outside (out of memory, an operator), not by the file.
  const outside = result.exitCode === null || endedBySignal(result)
  const code = outside
    ? 'engine_failed'
    : (REFUSALS.find(([pattern]) => pattern.test(printed))?.[1] ?? 'invalid_media')
  const said = printable(last, { most: 300 }).replace(/\.$/, '')
  const why = said === '' ? `ended with ${result.signal ?? result.exitCode}` : said
  switch (code) {
    case 'no_space':
      return new AppError(code, 'The disk is full: the file could not be decoded. Free some space.')
    case 'no_audio':
      return noSound()
    case 'invalid_media':
      return await unreadable(file, { printed, why, isUnsure })
    case 'unsupported_media':
      if (isTooMany(printed)) {
        return new AppError(code, 'The file has more tracks than are read (1000).')
      }
      return new AppError(
        code,
        `The file's sound cannot be decoded here: ${why}. Convert it first, for example with the program that made it.`,
      )
    default:
      return new AppError(code, `The file could not be read: ${why}.`)
  }
}

async function unreadable(
  file: string,
  { printed, why, isUnsure }: { printed: string; why: string; isUnsure: boolean },
): Promise<AppError> {
  const kind = await kindOf(file)
  const format = /\[(\w+) @[^\]]*\] Format not on whitelist/.exec(printed)?.[1]
  const isMedia = kind === null || kind.startsWith('of type')
  if (format !== undefined && isMedia && !isUnsure && !NO_MEDIA.test(format)) return notRead(format)
  const reason = format === undefined ? why : 'no audio or video format fits its content'
  const text =
    kind === null
      ? `The file is not readable as audio or video: ${reason}.`
      : `The file is ${kind}, not audio or video.`
  return new AppError('invalid_media', text)
}

export function isTooMany(said: string): boolean {
  return /exceeds max_streams/i.test(said)
}

export function noSound(): AppError {
  return new AppError('no_audio', 'The file has no audio track with anything in it.')
}

function notRead(format: string): AppError {
  return new AppError(
    'unsupported_media',
    `Format not supported: ${format.toUpperCase()}. Convert it first, for example with ffmpeg -i FILE out.flac.`,
  )
}

function beyond(limit: 'time' | 'size'): AppError {
  const what =
    limit === 'time'
      ? 'Reading the file takes much longer than a file of its length may'
      : 'The file unpacks to more than a file of its size can hold'
  return new AppError(
    'too_large',
    `${what}: it was stopped. Convert it, or cut it into shorter files.`,
  )
}
