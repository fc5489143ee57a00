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

/** What becomes of a key. */
interface Turned {
  name: string
  isOpaque: boolean
  isInstant: boolean
}

/** Clients choose some keys. */
const MOST_KNOWN = 1_000

/** Remembers what becomes of keys. @param suffix of instants. */
function turner(make: (key: string) => string, suffix: string): (key: string) => Turned {
  const known = new Map<string, Turned>()
  return (key) => {
    let turned = known.get(key)
    if (turned === undefined) {
      turned = { name: make(key), isOpaque: OPAQUE.has(key), isInstant: key.endsWith(suffix) }
      if (known.size < MOST_KNOWN) known.set(key, turned)
    }
    return turned
  }
}

const camel = turner(
  (key) => key.replace(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
  '_at',
)
const snake = turner((key) => key.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`), 'At')

/** @param value checked against its schema. */
export function fromWire<T>(value: T): FromWire<T> {
  if (typeof value !== 'object' || value === null) return value as FromWire<T>
  if (Array.isArray(value)) return value.map((item: unknown) => fromWire(item)) as FromWire<T>
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key]
    const { name, isOpaque, isInstant } = camel(key)
    if (isOpaque) out[name] = item
    else out[name] = isInstant && typeof item === 'string' ? instantOf(item) : fromWire(item)
  }
  return out as FromWire<T>
}

/** In milliseconds. A text that is none, of a key that no schema knows, stays as it is. */
function instantOf(text: string): number | string {
  const at = Date.parse(text)
  return Number.isNaN(at) ? text : at
}

/** Undefined values are left out. */
export function toWire(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map((item) => toWire(item))
  const out: Record<string, unknown> = {}
  for (const key of Object.keys(value)) {
    const item = (value as Record<string, unknown>)[key]
    if (item === undefined) continue
    const { name, isOpaque, isInstant } = snake(key)
    if (isOpaque) out[name] = item
    else
      out[name] =
        isInstant && typeof item === 'number' ? new Date(item).toISOString() : toWire(item)
  }
  return out
}
