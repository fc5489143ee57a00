import { hasPlaceholder, splitCommand } from '../../shared/command-line.ts'
import { parseDuration } from '../../shared/duration.ts'
import { AppError, type ErrorCode } from '../../shared/errors.ts'
import { LANGUAGE } from '../job-options.ts'

export function nameList(text: string): string[] {
  const names = text.split(',').map((name) => name.trim())
  if (names.every((name) => name !== '')) return names
  throw new AppError(
    'usage',
    `'${text}' is not a list of content types: write it like audio,video.`,
  )
}

/** The name is part of a path here and in the coordinator's URLs. */
export function workerName(text: string): string {
  if (/^[\w][\w.@-]{0,99}$/.test(text)) return text
  const rule = 'letters, digits and . _ @ -, not beginning with a dot or a dash'
  throw new AppError('usage', `'${text}' is not a valid worker id: use ${rule}.`)
}

/** `all`, `none`, or a list of GPUs as `planSlots` takes them. */
export function gpuList(text: string): 'all' | 'none' | string[] {
  if (text === 'all' || text === 'none') return text
  const names = text.split(',').map((name) => name.trim())
  if (names.every((name) => name !== '')) return names
  throw new AppError(
    'usage',
    `'${text}' is not a list of GPUs: write it like 0,1, or all, or none.`,
  )
}

/** Which of several audio tracks: a number from 0, a language, or `mix`. */
export function audioTrack(text: string): number | string {
  const given = text.trim()
  if (/^\d{1,3}$/.test(given)) return Number(given)
  if (LANGUAGE.test(given)) return given
  throw new AppError(
    'usage',
    `'${text}' is not an audio track: write its number (the first is 0), a language like de, or mix.`,
  )
}

/** A program that tells speakers apart, with its arguments. */
export function speakerCommand(text: string): string[] {
  const command = splitCommand(text)
  if (hasPlaceholder(command, 'wav')) return command
  throw new AppError(
    'usage',
    `'${text}' has no {wav}: write it where the recording goes, like "diarize {wav} --rttm {rttm}".`,
  )
}

const OUT_OF_MEMORY = ['smaller-model', 'cpu'] as const

export function outOfMemory(text: string): { smallerModel: boolean; cpu: boolean } {
  const allowed = text.split(',').map((name) => {
    const known = OUT_OF_MEMORY.find((one) => one === name.trim())
    if (known !== undefined) return known
    throw new AppError('usage', `'${name}' is none of ${OUT_OF_MEMORY.join(', ')}.`)
  })
  return { smallerModel: allowed.includes('smaller-model'), cpu: allowed.includes('cpu') }
}

/** How a program may fail at a recording or a machine. */
const FAILURES = [
  'engine_failed',
  'engine_missing',
  'gpu_out_of_memory',
  'invalid_media',
  'model_missing',
  'no_audio',
  'no_space',
  'timeout',
  'unsupported_language',
  'unsupported_media',
] as const satisfies readonly ErrorCode[]

/** `3=model_missing,7=engine_missing`: error codes by exit code. */
export function exitCodes(text: string): Readonly<Record<number, ErrorCode>> {
  return Object.fromEntries(
    text.split(',').map((one) => {
      const [, exit, name] = /^\s*(\d{1,3})\s*=\s*(\w+)\s*$/.exec(one) ?? []
      const code = FAILURES.find((failure) => failure === name)
      if (code !== undefined && Number(exit) >= 1 && Number(exit) <= 255) {
        return [Number(exit), code] as const
      }
      throw new AppError(
        'usage',
        `'${one}' is not an exit code and its error: write them like 3=model_missing,7=engine_missing, with exit codes from 1 to 255 and ${FAILURES.join(', ')}.`,
      )
    }),
  )
}

/** A duration of at least a second. */
export function milliseconds(text: string): number {
  const value = parseDuration(text)
  if (value >= 1_000) return value
  throw new AppError('usage', `'${text}' is too short: write a time like 90s, 10m or 8h.`)
}

/** `host:port`, `[::1]:port`, or `:port` for loopback. */
export function hostAndPort(text: string): { host: string; port: number } {
  const [, six, name, port] = /^(?:\[([\da-f:.]+)\]|([^:[\]]*)):(\d{1,5})$/i.exec(text.trim()) ?? []
  if (port !== undefined && Number(port) <= 65_535)
    return { host: six ?? (name || '127.0.0.1'), port: Number(port) }
  throw new AppError('usage', `'${text}' is not an address: write it like 127.0.0.1:9464.`)
}

/** A list: repeated flags, or a variable with commas. */
export function listOf<T>(read: (text: string) => T): (text: string, before?: T[]) => T[] {
  return (text, before = []) => [...before, ...text.split(',').map((one) => read(one.trim()))]
}
