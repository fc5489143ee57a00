import type { Slot } from '../gpu/slots.ts'
import { withMemoryFallback, type Allowed, type ComputeConfig } from './out-of-memory.ts'

interface Settled {
  compute: ComputeConfig
  notes: readonly string[]
  until: number
}

/** After so long the GPU may have more memory again: whatever else used it may be gone. */
const FOR_MS = 30 * 60_000

/** Remembers where the ladder ended on a slot, so that a loaded model is not thrown out for one that will not fit. */
export class SettledCompute {
  readonly #settled = new Map<string, Settled>()
  readonly #now: () => number

  /** @param now milliseconds that only ever pass. */
  constructor(now = (): number => performance.now()) {
    this.#now = now
  }

  /**
   * Does something with as much as fits into the slot's memory, from where that was found out.
   * @returns `warnings`: a sentence for each step down from the usual effort.
   * @throws as `withMemoryFallback`.
   */
  async run<T>(
    slot: Slot,
    usual: ComputeConfig,
    allowed: Allowed,
    attempt: (compute: ComputeConfig) => Promise<T>,
  ): Promise<{ result: T; warnings: string[] }> {
    const { compute, notes } = this.from(slot, usual)
    const warnings = [...notes]
    let last = compute
    const result = await withMemoryFallback(
      compute,
      allowed,
      async (step) => await attempt((last = step)),
      (note) => warnings.push(note),
    )
    this.note(slot, usual, last, warnings)
    return { result, warnings }
  }

  /** Where to begin, and the notes of how it came to that. */
  from(slot: Slot, usual: ComputeConfig): { compute: ComputeConfig; notes: readonly string[] } {
    const settled = this.#settled.get(keyOf(slot, usual))
    return settled === undefined || settled.until <= this.#now()
      ? { compute: usual, notes: [] }
      : settled
  }

  /** It went well with that. */
  note(slot: Slot, usual: ComputeConfig, compute: ComputeConfig, notes: readonly string[]): void {
    const key = keyOf(slot, usual)
    const before = this.#settled.get(key)
    if (compute === usual) this.#settled.delete(key)
    else if (compute !== before?.compute) {
      this.#settled.set(key, { compute, notes: [...notes], until: this.#now() + FOR_MS })
    }
  }

  forget(): void {
    this.#settled.clear()
  }
}

function keyOf({ index }: Slot, usual: ComputeConfig): string {
  return JSON.stringify([index, usual])
}
