import { z } from 'zod'
import { namedObject } from './wire-fields.ts'

export const registerRequest = namedObject('Register', { name: z.string().min(1).max(100) })

export const registerAnswer = namedObject('Registered', {
  token: z.string(),
  name: z.string(),
  role: z.string(),
  /** Content types it may claim; null: all. */
  types: z.array(z.string()).nullable(),
})

export const sessionRequest = namedObject('SignIn', { token: z.string().trim().min(1).max(1_000) })

export const sessionAnswer = namedObject('Session', {
  name: z.string(),
  role: z.string(),
  /** By a cookie. */
  signed_in: z.boolean(),
})

export const sessionEndedAnswer = namedObject('SessionEnded', { signed_in: z.literal(false) })
