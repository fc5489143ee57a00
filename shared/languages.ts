/**
 * A language as a tag or a person writes it (`ger`, `de-AT`, `German`) as its ISO code, of two letters where it has one,
 * else null.
 */
export function languageCode(text: string | null): string | null {
  if (text === null) return null
  const written = text.trim().replaceAll('_', '-')
  try {
    const { language } = new Intl.Locale(written)
    // Longer ones are names, and `auto`.
    if (language.length <= 3) return language
  } catch {
    // No tag.
  }
  names ??= englishNames()
  return names.get(written.toLowerCase()) ?? null
}

let names: ReadonlyMap<string, string> | undefined

/** By the English names of languages their ISO 639-1 codes. */
function englishNames(): ReadonlyMap<string, string> {
  const english = new Intl.DisplayNames('en', { type: 'language', fallback: 'none' })
  const letters = Array.from('abcdefghijklmnopqrstuvwxyz')
  const codes = letters.flatMap((one) => letters.map((two) => one + two))
  return new Map(
    codes.flatMap((code) => {
      const name = english.of(code)
      return name === undefined ? [] : [[name.toLowerCase(), new Intl.Locale(code).language]]
    }),
  )
}
