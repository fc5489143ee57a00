import path from 'node:path'
import { SECOND, parseDuration } from '../shared/duration.ts'
import { AppError } from '../shared/errors.ts'

const GIB = 1024 ** 3
const UNITS: Record<string, number> = { '': 1, k: 1024, m: 1024 ** 2, g: GIB, t: 1024 * GIB }

/** A duration that is not shorter than this. */
export function atLeast(least: number): (text: string) => number {
  return (text) => {
    const value = parseDuration(text)
    if (value >= least) return value
    throw new AppError('usage', `'${text}' is too short: the least is ${least / SECOND}s.`)
  }
}

/** A duration, or Infinity for the word that means never. */
export function orNever(word: string): (text: string) => number {
  return (text) => (text === word ? Infinity : parseDuration(text))
}

/** Null for Infinity: the command line library would make an empty text of a default of null. */
export function finite(value: number): number | null {
  return Number.isFinite(value) ? value : null
}

/** A size like `500M` or `8G`, in bytes. */
export function bytes(text: string): number {
  const match = /^(\d+(?:\.\d+)?)([kmgt]?)(?:i?b)?$/.exec(text.trim().toLowerCase())
  if (match === null)
    throw new AppError('usage', `'${text}' is not a size: write it like 500M or 8G.`)
  return Math.floor(Number(match[1]) * UNITS[match[2]!]!)
}

/** Paths, one per flag or all in one variable like `PATH`. */
export function pathList(text: string, before: string[] | undefined): string[] {
  return [...(before ?? []), ...text.split(path.delimiter).filter((one) => one !== '')]
}

/** Names, one per flag or several with commas between. */
export function commaList(text: string, before: string[] | undefined): string[] {
  const names = text.split(',').map((name) => name.trim())
  return [...(before ?? []), ...names.filter((name) => name !== '')]
}

/** `audio=90m,video=2h`, in milliseconds. */
export function timeouts(
  text: string,
  before: Record<string, number> = {},
): Record<string, number> {
  const pairs = text.split(',').map((pair) => {
    const [type, duration] = pair.split('=')
    if (type?.trim() && duration) return [type.trim(), parseDuration(duration)] as const
    throw new AppError('usage', `'${pair}' is not a timeout: write it like audio=90m.`)
  })
  return { ...before, ...Object.fromEntries(pairs) }
}
