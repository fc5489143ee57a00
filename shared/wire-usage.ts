import { z } from 'zod'
import type { FromWire } from './keys.ts'
import { namedObject } from './wire-fields.ts'

const day = z.iso.date()

/** `GET /usage`; both days count, and are UTC. */
export const usageQuery = z.object({
  /** 30 days with `to` when left out. */
  from: day.exactOptional(),
  /** Today when left out. */
  to: day.exactOptional(),
  /** `token`: the sums of all days. */
  by: z.enum(['day', 'token']).default('day'),
  format: z.enum(['json', 'csv']).default('json'),
})

/** What the jobs of a token have used that were created on a day. */
const usageRow = namedObject('UsageRow', {
  /** Null: all days. */
  day: day.nullable(),
  /** Null: the key `MORAG_API_KEY`, or open mode. */
  token_id: z.string().nullable(),
  /** Null: the token is not in `tokens.json` any more. */
  name: z.string().nullable(),
  jobs: z.int(),
  completed: z.int(),
  /** With those that timed out. */
  failed: z.int(),
  cancelled: z.int(),
  /** Length of the recordings. */
  media_seconds: z.number(),
  /** How long agents worked. */
  work_seconds: z.number(),
})
export type UsageRow = FromWire<z.output<typeof usageRow>>

export const usageAnswer = namedObject('Usage', {
  from: day,
  to: day,
  rows: z.array(usageRow),
})
