import { totalLength, type Span } from '../../shared/span.ts'

/** How much of all speech is recognised, as a share: silence takes no time. It never decreases. */
export class SpeechProgress {
  readonly #total: number
  #done: number
  /** Of the pieces that run, in seconds. */
  readonly #within = new Map<readonly Span[], number>()
  #reached = 0

  /** @param open the speech of each piece that is not recognised. */
  constructor(totalSeconds: number, open: readonly (readonly Span[])[]) {
    this.#total = totalSeconds
    this.#done = totalSeconds - open.reduce((sum, speech) => sum + totalLength(speech), 0)
  }

  /** @param share how much of the piece is recognised, 0 to 1. */
  advance(speech: readonly Span[], share: number): void {
    if (!Number.isFinite(share)) return
    this.#within.set(speech, totalLength(speech) * Math.min(1, Math.max(0, share)))
  }

  finish(speech: readonly Span[]): void {
    this.#within.delete(speech)
    this.#done += totalLength(speech)
  }

  get share(): number {
    const running = [...this.#within.values()].reduce((sum, seconds) => sum + seconds, 0)
    const share = this.#total === 0 ? 1 : (this.#done + running) / this.#total
    this.#reached = Math.min(1, Math.max(this.#reached, share))
    return this.#reached
  }
}
