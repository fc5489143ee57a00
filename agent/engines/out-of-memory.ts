import { AppError } from '../../shared/errors.ts'
import { nextSmaller } from './model-size.ts'

/** What of a recognition decides how much memory it needs. */
export interface ComputeConfig {
  /** Null where the engine has no batches, or a size of its own. */
  batchSize: number | null
  /** Null: the engine's own choice. */
  computeType: string | null
  model: string
  device: 'gpu' | 'cpu'
}

/** How far down it may go. */
export interface Allowed {
  smallerModel: boolean
  cpu: boolean
  /** The models that are there and can do the job: no other is chosen. */
  models: readonly string[]
  /** Whether the engine can be told how to compute; default: yes. */
  computeTypes?: boolean
}

/** One step down. */
export interface Step {
  compute: ComputeConfig
  /** A sentence for people: what was done. */
  note: string
}

/** What takes more memory than int8_float16. */
const LARGER = new Set(['default', 'auto', 'float32', 'float16', 'bfloat16', 'int8_float32'])

/**
 * What to try after the GPU was out of memory: half the batch, then smaller numbers, then the next smaller model, then
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

/**
 * Tries until there is enough memory, one step down at a time. `onStep` hears of each step before it is tried.
 * @throws what the last try threw; anything but `gpu_out_of_memory` at once.
 */
export async function withMemoryFallback<T>(
  compute: ComputeConfig,
  allowed: Allowed,
  attempt: (compute: ComputeConfig) => Promise<T>,
  onStep: (note: string) => void,
): Promise<T> {
  for (let now = compute; ;) {
    try {
      return await attempt(now)
    } catch (error) {
      if (!(error instanceof AppError) || error.code !== 'gpu_out_of_memory') throw error
      const step = nextStep(now, allowed)
      if (step === null) throw error
      onStep(step.note)
      now = step.compute
    }
  }
}
