/** The language of the most seconds; null where none has any. */
export function mainLanguage(
  parts: readonly { language: string | null; seconds: number }[],
): string | null {
  const seconds = new Map<string, number>()
  for (const { language, seconds: more } of parts) {
    if (language !== null) seconds.set(language, (seconds.get(language) ?? 0) + more)
  }
  return [...seconds].toSorted(([, a], [, b]) => b - a)[0]?.[0] ?? null
}
