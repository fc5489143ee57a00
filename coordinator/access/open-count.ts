import { AppError } from '../../shared/errors.ts'
import type { Principal } from './principal.ts'

/** Limits what one token has open at a time; the API key is not limited. */
export class OpenCount {
  readonly #counts = new Map<string, number>()
  readonly #what: string
  readonly #most: number

  /** @param what plural, for the error message. */
  constructor(what: string, most: number) {
    this.#what = what
    this.#most = most
  }

  /** @returns a function that releases it. @throws {AppError} `too_many_requests` */
  hold({ tokenId, name }: Pick<Principal, 'tokenId' | 'name'>): () => void {
    if (tokenId === null) return () => undefined
    const open = this.#counts.get(tokenId) ?? 0
    if (open >= this.#most) {
      const message = `${open} ${this.#what} of the token ${name} are open, which is the limit: retry later.`
      throw new AppError('too_many_requests', message)
    }
    this.#counts.set(tokenId, open + 1)
    let isHeld = true
    return () => {
      if (!isHeld) return
      isHeld = false
      const left = (this.#counts.get(tokenId) ?? 1) - 1
      if (left === 0) this.#counts.delete(tokenId)
      else this.#counts.set(tokenId, left)
    }
  }
}
