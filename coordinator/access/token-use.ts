import { MINUTE } from '../../shared/duration.ts'
import { startTimer } from '../../shared/timers.ts'
import type { TokenStore } from './token-store.ts'

const SAVE_MS = MINUTE

/** When each token was last used: saved at most once a minute, and on close. */
export class TokenUse {
  readonly #store: Pick<TokenStore, 'saveUses'>
  readonly #onError: (error: unknown) => void
  #unsaved = new Map<string, number>()
  #timer: NodeJS.Timeout | null = null
  #saving: Promise<void> = Promise.resolve()

  constructor(store: Pick<TokenStore, 'saveUses'>, onError: (error: unknown) => void) {
    this.#store = store
    this.#onError = onError
  }

  note(tokenId: string, now: number): void {
    this.#unsaved.set(tokenId, now)
    this.#timer ??= startTimer(() => {
      this.#timer = null
      void this.#save()
    }, SAVE_MS).unref()
  }

  async close(): Promise<void> {
    if (this.#timer === null) return await this.#saving
    clearTimeout(this.#timer)
    this.#timer = null
    await this.#save()
  }

  async #save(): Promise<void> {
    const save = async (): Promise<void> => {
      const uses = this.#unsaved
      this.#unsaved = new Map()
      try {
        await this.#store.saveUses(uses)
      } catch (error) {
        this.#unsaved = new Map([...uses, ...this.#unsaved])
        this.#onError(error)
      }
    }
    this.#saving = this.#saving.then(save)
    await this.#saving
  }
}
