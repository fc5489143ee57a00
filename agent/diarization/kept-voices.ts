import { z } from 'zod'
import { windowVoices, type WindowVoices } from './window-voices.ts'

/** What is computed of the voices of a recording, in its checkpoint: the windows from its beginning. */
export const keptVoices = z.object({
  /** The models, and the rules by which the windows were read. */
  models: z.string(),
  windows: z.array(windowVoices),
})

export type KeptVoices = z.output<typeof keptVoices>

/** How a diarization goes on where an earlier attempt ended, and what it leaves to the next. */
export interface VoicesOfAttempts {
  /** Of an earlier attempt, maybe by other models; null: there is nothing. */
  begun: KeptVoices | null
  keep: (voices: KeptVoices) => void
}

/** A checkpoint is worth so many new windows, and this share of those before: it has them all. */
export const KEPT_WINDOWS = 60
const KEPT_SHARE = 0.1
/** Half of what a heartbeat carries: the text needs the rest. More than three hours of speech. */
const MOST_CHARACTERS = 4 * 1024 * 1024

/** Hands the windows of a diarization on now and then, as many from the beginning as there is room for. */
export class VoicesKeeper {
  /** To go on with. */
  readonly windows: WindowVoices[]
  readonly #models: string
  readonly #keep: VoicesOfAttempts['keep']
  #characters = 0
  #kept: number

  /** @param models those that are used now. */
  constructor(models: string, { begun, keep }: VoicesOfAttempts) {
    this.windows = begun?.models === models ? [...begun.windows] : []
    this.#models = models
    this.#keep = keep
    this.#kept = this.windows.length
    for (const window of this.windows) this.#characters += sizeOf(window)
  }

  /** @param index of the window; those from there on were of no use. */
  add(index: number, window: WindowVoices): void {
    for (const one of this.windows.splice(index)) this.#characters -= sizeOf(one)
    this.#kept = Math.min(this.#kept, index)
    // Without a window all after it are useless.
    if (this.windows.length < index || this.#characters + sizeOf(window) > MOST_CHARACTERS) return
    this.windows.push(window)
    this.#characters += sizeOf(window)
    const fresh = this.windows.length - this.#kept
    if (fresh >= Math.max(KEPT_WINDOWS, this.#kept * KEPT_SHARE)) this.save()
  }

  /** Hands on what is not handed on yet. */
  save(): void {
    if (this.windows.length === this.#kept) return
    this.#kept = this.windows.length
    this.#keep({ models: this.#models, windows: [...this.windows] })
  }
}

function sizeOf({ turns, voices }: WindowVoices): number {
  // A turn takes up to 30 characters, and the names of the fields as many.
  return voices.length + turns.length * 30 + 30
}
