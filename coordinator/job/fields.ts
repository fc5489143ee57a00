import { z } from 'zod'

export const instant = z.iso.datetime()
export const instantOrNull = instant.nullable().default(null)
export const textOrNull = z.string().nullable().default(null)
export const numberOrNull = z.number().nullable().default(null)
