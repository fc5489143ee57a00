import { AppError } from '../../shared/errors.ts'
import type { Slot } from '../gpu/slots.ts'
import { nextSmaller } from './model-name.ts'

export interface ComputeConfig {
  /** Null where the engine has no batches, or chooses their size. */
  batchSize: number | null
  computeType: string | null
  model: string
  device: 'gpu' | 'cpu'
}

export interface Allowed {
  smallerModel: boolean
  cpu: boolean
  /** The models to choose a smaller one from: present, and able to do the job. */
  models: readonly string[]
  /** Whether the engine takes a compute type; default: yes. */
  computeTypes?: boolean
}

export interface Step {
  compute: ComputeConfig
  note: string
}

/** Compute types that take more memory than int8_float16. */
const LARGER = new Set(['default', 'auto', 'float32', 'float16', 'bfloat16', 'int8_float32'])

/**
 * What to try after the GPU was out of memory: half the batch, then lower precision, then the next smaller model, then
 * the CPU. Null when nothing is left.
 */
export function nextStep(compute: ComputeConfig, allowed: Allowed): Step | null {
  if (compute.device === 'cpu') return null
  const { batchSize, computeType, model } = compute
  const { computeTypes = true } = allowed
  const step = (change: Partial<ComputeConfig>, how: string): Step => ({
    compute: { ...compute, ...change },
    note: `The GPU was out of memory: went on ${how}.`,
  })
  if (batchSize !== null && batchSize > 1) {
    const half = Math.floor(batchSize / 2)
    return step({ batchSize: half }, half === 1 ? 'without batches' : `with batches of ${half}`)
  }
  if (computeTypes && (computeType === null || LARGER.has(computeType))) {
    return step({ computeType: 'int8_float16' }, 'with lower precision (int8_float16)')
  }
  const smaller = allowed.smallerModel ? nextSmaller(model, allowed.models) : null
  if (smaller !== null) {
    return step({ model: smaller }, `with the model '${smaller}' in place of '${model}'`)
  }
  if (!allowed.cpu) return null
  return step({ device: 'cpu', computeType: computeTypes ? 'int8' : computeType }, 'on the CPU')
}

/** How long a step down is kept: whatever else used the GPU may be gone by then. */
const KEPT_MS = 30 * 60_000

interface Settled {
  compute: ComputeConfig
  notes: readonly string[]
  until: number
}

export interface FallbackRequest {
  slot: Slot
  model?: string | null
  /** Where the attempts begin, in place of the usual. */
  batchSize?: number | null
  /** Without batches: fewer of them would not help. The outcome is not remembered. */
  unbatched?: boolean
  /** The models that can do this job; default: all that are allowed. */
  models?: readonly string[]
}

/**
 * Repeats an attempt with less and less until it fits into the GPU's memory. What fitted on a slot is where its next
 * attempt begins, so that a loaded model is not replaced by one that does not fit.
 */
export class MemoryFallback {
  readonly #usual: ComputeConfig
  readonly #allowed: Allowed
  readonly #now: () => number
  readonly #settled = new Map<string, Settled>()

  /** @param now a monotonic clock, in milliseconds. */
  constructor(usual: ComputeConfig, allowed: Allowed, now = (): number => performance.now()) {
    this.#usual = usual
    this.#allowed = allowed
    this.#now = now
  }

  usual(model: string | null = null): ComputeConfig {
    return { ...this.#usual, model: model ?? this.#usual.model }
  }

  /**
   * @returns `warnings`: a sentence for each step down from the usual.
   * @throws the attempt's error: `gpu_out_of_memory` when no step is left, any other at once.
   */
  async run<T>(
    request: FallbackRequest,
    attempt: (compute: ComputeConfig) => Promise<T>,
  ): Promise<{ result: T; warnings: string[] }> {
    const { slot, model = null, unbatched = false, models = this.#allowed.models } = request
    const { batchSize = this.#usual.batchSize } = request
    const usual = { ...this.usual(model), batchSize }
    const key = JSON.stringify([slot.index, usual])
    const settled = this.#settledAt(key) ?? { compute: usual, notes: [] }
    const warnings = [...settled.notes]
    let compute = unbatched ? { ...settled.compute, batchSize: null } : settled.compute
    for (;;) {
      try {
        const result = await attempt(compute)
        if (!unbatched) this.#remember(key, compute, compute === usual ? null : warnings)
        return { result, warnings }
      } catch (error) {
        if (!(error instanceof AppError) || error.code !== 'gpu_out_of_memory') throw error
        const step = nextStep(compute, { ...this.#allowed, models })
        if (step === null) throw error
        warnings.push(step.note)
        compute = step.compute
      }
    }
  }

  forget(): void {
    this.#settled.clear()
  }

  #settledAt(key: string): Settled | undefined {
    const settled = this.#settled.get(key)
    return settled === undefined || settled.until <= this.#now() ? undefined : settled
  }

  /** @param notes null: the usual fitted. */
  #remember(key: string, compute: ComputeConfig, notes: readonly string[] | null): void {
    if (notes === null) this.#settled.delete(key)
    else if (compute !== this.#settled.get(key)?.compute) {
      this.#settled.set(key, { compute, notes: [...notes], until: this.#now() + KEPT_MS })
    }
  }
}

/** Where an attempt runs: its slot, without the GPU after the step down to the CPU. */
export function placeOf(slot: Slot, { device }: ComputeConfig): Slot {
  return device === 'cpu' ? { index: slot.index, gpu: null } : slot
}
