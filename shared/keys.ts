/** The user's own objects, which pass through. */
const OPAQUE_KEYS = [
  'taskOptions',
  'task_options',
  'metadata',
  'checkpoint',
  'processingOptions',
  'processing_options',
  'ingestOptions',
  'ingest_options',
  'databaseConfig',
  'database_config',
  'databases',
  'speakerNames',
  'speaker_names',
  'vocabulary',
] as const
const OPAQUE: ReadonlySet<string> = new Set(OPAQUE_KEYS)

type CamelKey<S> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelKey<Tail>>}`
  : S

/**
 * A wire value as the code has it: keys are camelCase in code and snake_case on the wire; instants (`…At`) are milliseconds
 * in code and ISO 8601 on the wire.
 */
export type FromWire<T> = T extends readonly (infer E)[]
  ? FromWire<E>[]
  : T extends object
    ? {
        [K in keyof T as CamelKey<K>]: K extends (typeof OPAQUE_KEYS)[number]
          ? T[K]
          : K extends `${string}_at`
            ? Exclude<T[K], string> | number
            : FromWire<T[K]>
      }
    : T

const camelCache = new Map<string, string>()
const snakeCache = new Map<string, string>()

function cached(cache: Map<string, string>, key: string, make: (key: string) => string): string {
  let made = cache.get(key)
  if (made === undefined) {
    made = make(key)
    if (cache.size < 1_000) cache.set(key, made)
  }
  return made
}

const camel = (key: string): string =>
  key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase())
const snake = (key: string): string => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** @param value checked against its schema. */
export function fromWire<T>(value: T): FromWire<T> {
  if (Array.isArray(value)) return value.map((item: unknown) => fromWire(item)) as FromWire<T>
  if (typeof value !== 'object' || value === null) return value as FromWire<T>
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    const name = cached(camelCache, key, camel)
    if (OPAQUE.has(key)) out[name] = item
    else
      out[name] =
        key.endsWith('_at') && typeof item === 'string' ? Date.parse(item) : fromWire(item)
  }
  return out as FromWire<T>
}

/** Undefined values are left out. */
export function toWire(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(toWire)
  if (typeof value !== 'object' || value === null) return value
  const out: Record<string, unknown> = {}
  for (const [key, item] of Object.entries(value)) {
    if (item === undefined) continue
    const name = cached(snakeCache, key, snake)
    if (OPAQUE.has(key)) out[name] = item
    else
      out[name] =
        key.endsWith('At') && typeof item === 'number' ? new Date(item).toISOString() : toWire(item)
  }
  return out
}
