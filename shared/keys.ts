/**
 * The one place where code and wire meet: keys are camelCase in code and snake_case on the wire, and an instant (`…At`)
 * is a number of milliseconds in code and ISO 8601 text on the wire. What belongs to the user (task options, a result's
 * metadata, a checkpoint) passes through untouched.
 */
type Opaque =
  | 'taskOptions'
  | 'task_options'
  | 'metadata'
  | 'checkpoint'
  | 'processingOptions'
  | 'processing_options'
  | 'ingestOptions'
  | 'ingest_options'
  | 'databaseConfig'
  | 'database_config'
  | 'databases'
const OPAQUE = new Set<string>([
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
] satisfies Opaque[])

type CamelKey<S> = S extends `${infer Head}_${infer Tail}`
  ? `${Head}${Capitalize<CamelKey<Tail>>}`
  : S

/** The code's shape of a wire value. */
export type FromWire<T> = T extends readonly (infer E)[]
  ? FromWire<E>[]
  : T extends object
    ? {
        [K in keyof T as CamelKey<K>]: K extends Opaque
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

/** A wire value (already checked against its schema) in the code's shape. */
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

/** A value of the code in the wire's shape. Keys that are undefined are left out. */
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
