import { withoutSecrets } from '../job/task-options.ts'

/** Every text in options that is named like a secret, at any depth: what an answer is not to say again. */
export function secretsIn(options: object): string[] {
  const { databaseConfig, databases, rest, metadata } = { ...options } as Record<string, unknown>
  return [databaseConfig, databases, rest, metadata].flatMap(secretsOf)
}

function secretsOf(value: unknown): string[] {
  if (Array.isArray(value)) return value.flatMap(secretsOf)
  if (typeof value !== 'object' || value === null) return []
  const open = withoutSecrets({ ...value })
  return Object.entries(value).flatMap(([key, one]) =>
    key in open ? secretsOf(one) : textsIn(one),
  )
}

function textsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value]
  return typeof value === 'object' && value !== null ? Object.values(value).flatMap(textsIn) : []
}
