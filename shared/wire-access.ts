import { z } from 'zod'

/** `POST /workers/register`, with a one-time token as the Bearer. */
export const registerRequest = z.object({ name: z.string().min(1).max(100) })

/** The worker's own token: shown here and never again. */
export const registerAnswer = z.object({
  token: z.string(),
  name: z.string(),
  role: z.string(),
  /** Content types it may claim; null: all. */
  types: z.array(z.string()).nullable(),
})

/** `POST /session`: a token that the dashboard is to be used with. */
export const sessionRequest = z.object({ token: z.string().trim().min(1).max(1_000) })

/** `GET /session`, `POST /session`: who one is. */
export const sessionAnswer = z.object({
  name: z.string(),
  role: z.string(),
  /** By a cookie, which `DELETE /session` removes. */
  signed_in: z.boolean(),
})

/** `DELETE /session`. */
export const sessionEndedAnswer = z.object({ signed_in: z.literal(false) })
