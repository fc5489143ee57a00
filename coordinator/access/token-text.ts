import { createHash, randomBytes } from 'node:crypto'

/** Secret scanners find tokens by it: `morag_[A-Za-z0-9_-]{43}`. */
export const TOKEN_PREFIX = 'morag_'
const FORM = /^morag_[\w-]{43}$/
const TOKEN_BYTES = 32

/** A new token: 256 random bits. */
export function newToken(): string {
  return TOKEN_PREFIX + randomBytes(TOKEN_BYTES).toString('base64url')
}

export function isToken(text: string): boolean {
  return FORM.test(text)
}

/** SHA-256, which is stored instead of the token: for 256 random bits a fast digest is enough. */
export function digestOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}
