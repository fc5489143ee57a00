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
