/** Shorter ones are found in any text. */
const FEWEST_CHARS = 4
/** Parts of an address that are shorter are words like `webhook`, which an answer may have for itself. */
const FEWEST_CHARS_OF_A_PART = 8

/**
 * The words of another side without what we have shown it in confidence: a server that is in trouble may say again all
 * that it has got, and its words are shown to whoever may read a job.
 */
export function redacted(text: string, secrets: readonly (string | null)[]): string {
  const known = secrets.filter((one) => one !== null).filter((one) => one.length >= FEWEST_CHARS)
  // What is part of another is taken out after it.
  const longestFirst = known.sort((a, b) => b.length - a.length)
  return longestFirst.reduce((rest, secret) => rest.replaceAll(secret, '[redacted]'), text)
}

/** What of an address may be a secret: all but its origin. */
export function secretsIn(address: string): string[] {
  const { pathname, search, searchParams } = new URL(address)
  const asWritten = search.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1))
  const parts = [...pathname.split('/'), ...searchParams.values(), ...asWritten]
  const long = parts.filter((part) => part.length >= FEWEST_CHARS_OF_A_PART)
  return [pathname + search, pathname, search, ...long]
}
