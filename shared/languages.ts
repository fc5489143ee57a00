/**
 * The ISO code of a tag or an English name (`ger`, `de-AT`, `German`), of two letters if there is one; null: unknown.
 */
export function languageCode(text: string | null): string | null {
  if (text === null) return null
  const written = text.trim().replaceAll('_', '-')
  try {
    const { language } = new Intl.Locale(written)
    // Longer ones are names, or `auto`.
    if (language.length <= 3) return language
  } catch {
    // No tag.
  }
  names ??= englishNames()
  return names.get(written.toLowerCase()) ?? null
}

let names: ReadonlyMap<string, string> | undefined

/** ISO 639-1 codes by English name. */
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
