import { z } from 'zod'

/** What its owner alone understands: its keys travel as they are. */
export const opaque = z.record(z.string(), z.unknown())

/** A value that may be absent or null. */
export function optional<S extends z.ZodType>(schema: S, otherwise: z.output<S>) {
  return schema.nullish().transform((given): z.output<S> => given ?? otherwise)
}
export const name = z.string().trim().min(1).max(200)
export const jobId = z.string().max(100)
export const leaseToken = z.string().max(500)
/** A text of which the rest becomes `…`. */
export function cutText(most: number) {
  // Not cut within a character.
  return z
    .string()
    .transform((text) =>
      text.length <= most ? text : `${text.slice(0, most - 1).replace(/[\ud800-\udbff]$/, '')}…`,
    )
}
/** A stretch of time, in seconds. What a broken header says is longer than a year counts as a year. */
export const seconds = z
  .number()
  .min(0)
  .transform((given) => Math.min(given, 31_536_000))
/** A stretch of time that is only told of: as text too, and what cannot be is unknown, so that nothing is lost by it. */
export const toldSeconds = z
  .union([z.number(), z.string().max(100)], { error: 'It has to be a number of seconds.' })
  .transform((given) => Number(typeof given === 'string' && given.trim() === '' ? NaN : given))
  .transform((given) => (given >= 0 ? Math.min(given, 31_536_000) : null))
/** Who the coordinator is where it does a worker's work itself. */
export const LOCAL_WORKER = 'local'
export const workerName = name.refine((id) => id !== LOCAL_WORKER, {
  error: `'${LOCAL_WORKER}' is the coordinator itself: give the worker another name.`,
})
export const priority = z.coerce.number().int().min(-1_000).max(1_000)
/** What the original's server takes for true (FastAPI's rules): Python's clients send `True` in a form. */
export function isTrue(value: unknown): boolean {
  if (typeof value === 'string') return /^(true|1|yes|on|t|y)$/i.test(value.trim())
  return value === true || value === 1
}
const isFalse = (value: unknown): boolean =>
  typeof value === 'string'
    ? /^(false|0|no|off|f|n)$/i.test(value.trim())
    : value === false || value === 0
const NEITHER = 'It has to be true or false.'
/** True or false as the original's server understands them: `"true"` and 1 too. */
export const lenientBoolean = z
  .union([z.boolean(), z.string().max(50), z.number()], { error: NEITHER })
  .refine((given) => isTrue(given) || isFalse(given), { error: NEITHER })
  .transform(isTrue)
/** `audio, video` as a list of names. */
export const commaList = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(name).min(1).max(50))

/**
 * What an estimate is gathered from: the attempt's own pace so far; the length of the recording, the size of the file or
 * the usual time, each with what finished jobs of the type took; or, before there are any, the length or size and a
 * cautious guess.
 */
const ESTIMATE_BASES = ['progress', 'length', 'size', 'usual', 'prior'] as const
export const estimateBasis = z.enum(ESTIMATE_BASES)
export type EstimateBasis = z.output<typeof estimateBasis>
