import { z } from 'zod'

/** What its owner alone understands: its keys travel as they are. */
export const opaque = z.record(z.string(), z.unknown())

/** A value that may be absent or null. */
export function optional<S extends z.ZodType>(schema: S, otherwise: z.output<S>) {
  return schema.nullish().transform((given): z.output<S> => given ?? otherwise)
}
export const name = z.string().trim().min(1).max(200)
export const priority = z.coerce.number().int().min(-1_000).max(1_000)
/** `audio, video` as a list of names. */
export const commaList = z
  .string()
  .transform((text) => text.split(',').map((part) => part.trim()))
  .pipe(z.array(name).min(1).max(50))
