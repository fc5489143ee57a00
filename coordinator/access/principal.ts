import { AppError } from '../../shared/errors.ts'
import type { Role } from './roles.ts'

/** Who makes a request. */
export interface Principal {
  role: Role
  /** Null: who shows the API key, or whoever comes where no token is asked for. */
  tokenId: string | null
  /** The digest (hex) of the token that was shown: a rotation may end it before the token does. */
  sha256?: string
  /** For the log. */
  name: string
  /** Content types that a worker may claim; null: all. */
  types: readonly string[] | null
}

/** The name of `MORAG_API_KEY` among the tokens. */
export const API_KEY_NAME = 'api-key'

export const API_KEY_HOLDER: Principal = {
  role: 'admin',
  tokenId: null,
  name: API_KEY_NAME,
  types: null,
}

/** Whoever asks what is open to all: no job is there for this one. */
export const NOBODY: Principal = { role: 'register', tokenId: null, name: 'nobody', types: null }

/** Everybody, in open mode. */
export const ANYBODY: Principal = { ...API_KEY_HOLDER, name: 'anybody' }

/** One sentence for whatever is wrong with a token, or for none: it tells nothing of those that there are. */
export function unauthorized(): AppError {
  return new AppError(
    'unauthorized',
    'This coordinator needs a valid token: send it as Authorization: Bearer or X-API-Key.',
  )
}
