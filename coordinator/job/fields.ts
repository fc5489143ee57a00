import { z } from 'zod'

export const instant = z.iso.datetime()
export const instantOrNull = instant.nullable().default(null)
export const textOrNull = z.string().nullable().default(null)
export const numberOrNull = z.number().nullable().default(null)

/**
 * An object of a job's or a token's record. What a newer version has added to it stays: an older coordinator that changes
 * the record writes it back as it was.
 */
export function stored<S extends z.ZodRawShape>(shape: S): z.ZodObject<S> {
  return z.looseObject(shape) as unknown as z.ZodObject<S>
}
