/** Names of options that hold what only the coordinator may know. */
const SECRET =
  /(^|_)(secrets?|passw(or)?d|tokens?|credentials?|api_?keys?|private_?keys?|auth|authorization|dsn)($|_)|^(webhook|database|db)(_|s?$)/

function isSecret(key: string): boolean {
  const snake = key.replace(/([a-z0-9])([A-Z])/g, '$1_$2').replaceAll('-', '_')
  return SECRET.test(snake.toLowerCase())
}

/** Task options as workers and readers may see them: whatever is named like a secret is left out, at every depth. */
export function withoutSecrets(options: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options)
      .filter(([key]) => !isSecret(key))
      .map(([key, value]) => [key, clean(value)]),
  )
}

function clean(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(clean)
  if (typeof value !== 'object' || value === null) return value
  return withoutSecrets(value as Record<string, unknown>)
}
