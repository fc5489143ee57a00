import { AppError } from '../../shared/errors.ts'
import type { Quota } from '../usage/quotas.ts'
import type { Role } from './roles.ts'

/** The author of a request. */
export interface Principal {
  role: Role
  /** Null: the API key, or open mode. */
  tokenId: string | null
  /** Digest (hex) of the token as sent: a rotation may invalidate it. */
  sha256?: string
  /** For the log. */
  name: string
  /** Content types that a worker may claim; null: all. */
  types: readonly string[] | null
  quota?: Quota
}

/** The name of `MORAG_API_KEY` among the tokens. */
export const API_KEY_NAME = 'api-key'

export const API_KEY_HOLDER: Principal = {
  role: 'admin',
  tokenId: null,
  name: API_KEY_NAME,
  types: null,
}

/** A caller of a public route, who may see no job. */
export const ANONYMOUS: Principal = {
  role: 'register',
  tokenId: null,
  name: 'anonymous',
  types: null,
}

/** Every caller, in open mode. */
export const OPEN_MODE: Principal = { ...API_KEY_HOLDER, name: 'open-mode' }

/** The same for a missing and for any wrong token, so that it reveals nothing. */
export function unauthorized(): AppError {
  return new AppError(
    'unauthorized',
    'This coordinator needs a valid token: send it as Authorization: Bearer or X-API-Key.',
  )
}
