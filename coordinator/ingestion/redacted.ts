import { withoutSecrets } from '../job/task-options.ts'

/** Shorter secrets would match in any text. */
const MIN_SECRET_CHARS = 4
/** Shorter parts of a URL are common words like `webhook`. */
const MIN_URL_PART_CHARS = 8

/**
 * A peer's words without the secrets that we sent it: a server in trouble may echo a request, and its errors are shown to
 * every reader of a job.
 */
export function redacted(text: string, secrets: readonly (string | null)[]): string {
  const known = secrets.filter((one) => one !== null && one.length >= MIN_SECRET_CHARS)
  // A secret may be part of another one.
  const longestFirst = (known as string[]).sort((a, b) => b.length - a.length)
  return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
}

/** The parts of a URL that may be secret: all but its origin. */
export function secretsInUrl(url: string): string[] {
  const { pathname, search, searchParams } = new URL(url)
  const asWritten = search.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1))
  const parts = [...pathname.split('/'), ...searchParams.values(), ...asWritten]
  const long = parts.filter((part) => part.length >= MIN_URL_PART_CHARS)
  return [pathname + search, pathname, search, ...long]
}

/** The texts in options, at any depth, below keys that are named like secrets. */
export function secretsInOptions(options: unknown): string[] {
  if (Array.isArray(options)) return options.flatMap(secretsInOptions)
  if (typeof options !== 'object' || options === null) return []
  const open = withoutSecrets({ ...options })
  return Object.entries(options).flatMap(([key, value]) =>
    key in open ? secretsInOptions(value) : textsIn(value),
  )
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}
