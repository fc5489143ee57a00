import path from 'node:path'
import { InvalidArgumentError, Option } from 'commander'
import { baseUrl, httpUrl } from '../shared/base-url.ts'
import { SECOND, parseDuration } from '../shared/duration.ts'
import { AppError, messageOf } from '../shared/errors.ts'
import { wholeNumber } from '../shared/settings.ts'
import { databaseAddress } from './storage/postgres/address.ts'

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

/** A command's option, without a variable, for a duration of at least `leastMs`. */
export function durationOption(flag: string, help: string, leastMs = 0): Option {
  return new Option(flag, help).argParser((text) => {
    try {
      return atLeast(leastMs)(text)
    } catch (error) {
      throw new InvalidArgumentError(messageOf(error))
    }
  })
}

/** A duration; null for the word that means never: a table of settings makes it of Infinity. */
export function orNever(word: string): (text: string) => number | null {
  return (text) => (text === word ? Infinity : parseDuration(text))
}

/** When uploads go: `on-success`, a duration, or `never`. */
export function whenRemoved(text: string): number | 'on-success' | null {
  return text === 'on-success' ? text : orNever('never')(text)
}

/** A number of connections, or `off`. */
export function connectionCount(text: string): number | 'off' {
  return text === 'off' ? text : wholeNumber(1, 1_000_000)(text)
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

/** Origins of web pages, like {@link commaList}. */
export function originList(text: string, before: string[] | undefined): string[] {
  const origins = commaList(text, before)
  const wrong = origins.find((one) => httpUrl(one)?.origin !== one)
  if (wrong === undefined) return origins
  throw new AppError('usage', `'${wrong}' is not an origin: write it like https://app.example.com.`)
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

/** The address of a PostgreSQL database, which may hold a password. */
export function databaseUrl(text: string): string {
  databaseAddress(text)
  return text
}

/** The MoRAG server's address, as {@link baseUrl} gives it. */
export function serverUrl(text: string): string {
  const what = "a server's address (--morag-url, MORAG_SERVER_URL): write http://host:port"
  return baseUrl(text, { what, key: '--morag-api-key-file or MORAG_SERVER_API_KEY', isBare: true })
}

/** This coordinator's address for others, as {@link baseUrl} gives it. */
export function publicUrl(text: string): string {
  const what = "this coordinator's address: write it like http://10.0.0.5:8000 (--public-url)"
  return baseUrl(text, { what, key: 'the settings of those who call it', isBare: true })
}
