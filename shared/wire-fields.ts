import { z } from 'zod'

/** An object that the API document lists under a name. */
export function namedObject<Shape extends z.ZodRawShape>(id: string, shape: Shape) {
  return z.object(shape).meta({ id })
}

/** Known to its owner alone: its keys travel as they are. */
export const opaque = z.record(z.string(), z.unknown())

/** A value that may be absent or null. */
export function optional<S extends z.ZodType>(schema: S, otherwise: z.output<S>) {
  return schema.nullish().transform((given): z.output<S> => given ?? otherwise)
}
export const name = z.string().trim().min(1).max(200)
export const jobId = z.string().max(100)
export const leaseToken = z.string().max(500)
/** A text whose rest becomes `…`. */
export function cutText(most: number) {
  // Not cut within a character.
  return z
    .string()
    .transform((text) =>
      text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`,
    )
}
/** A duration in seconds; longer than a year, as from a broken header, counts as a year. */
export const seconds = z
  .number()
  .min(0)
  .transform((given) => Math.min(given, 31_536_000))
/** A duration for information: also as text; null for nonsense, which must not refuse the whole request. */
export const lenientSeconds = z
  .union([z.number(), z.string().max(100)], { error: 'Expected a number of seconds.' })
  .transform((given) => Number(typeof given === 'string' && given.trim() === '' ? NaN : given))
  .transform((given) => (given >= 0 ? Math.min(given, 31_536_000) : null))
/** The worker id of the coordinator where it processes a job itself. */
export const LOCAL_WORKER = 'local'
export const workerName = name.refine((id) => id !== LOCAL_WORKER, {
  error: `'${LOCAL_WORKER}' is the coordinator itself: give the worker another name.`,
})
export const priority = z.coerce.number().int().min(-1_000).max(1_000)
/** True by the rules of FastAPI, the original's server: Python's clients send `True` in a form. */
export function isTrue(value: unknown): boolean {
  if (typeof value === 'string') return /^(true|1|yes|on|t|y)$/i.test(value.trim())
  return value === true || value === 1
}
const isFalse = (value: unknown): boolean =>
  typeof value === 'string'
    ? /^(false|0|no|off|f|n)$/i.test(value.trim())
    : value === false || value === 0
const NO_BOOLEAN = 'Expected true or false.'
/** A boolean by the original's rules: also `"true"` and 1. */
export const lenientBoolean = z
  .union([z.boolean(), z.string().max(50), z.number()], { error: NO_BOOLEAN })
  .refine((given) => isTrue(given) || isFalse(given), { error: NO_BOOLEAN })
  .transform(isTrue)
/** `audio, video` as a list. */
export const commaList = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(name).min(1).max(50))

/**
 * The basis of an estimate: the attempt's own pace; the recording's length, the file's size or the usual time, each with
 * what finished jobs of the type took; or, before any has finished, the length or size and a cautious guess (`prior`).
 */
const ESTIMATE_BASES = ['progress', 'length', 'size', 'usual', 'prior'] as const
export const estimateBasis = z.enum(ESTIMATE_BASES)
export type EstimateBasis = z.output<typeof estimateBasis>
