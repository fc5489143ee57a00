import type { FetchPackage } from '../process/npm-package.ts'
import type { ModelSource } from './config.ts'
import type { Patience } from './fetch-file.ts'
import type { StagingPatience } from './staging-others.ts'

export interface PullOptions {
  dir: string
  signal: AbortSignal
  /** Called with a line for people at each step. */
  onProgress?: ((text: string) => void) | undefined
  onBytes?: (file: string, received: number, total: number | null) => void
  /** Default: the environment's (`MORAG_MODELS_MIRROR`, `MORAG_OFFLINE`, `HF_TOKEN`). */
  source?: ModelSource | undefined
  /** Whatever `source` says. */
  offline?: boolean
  fetch?: FetchPackage
  idleMs?: number
  patience?: Patience
  /** For other processes that pull the same; default: no limit. */
  others?: StagingPatience
  freeBytes?: (folder: string) => Promise<number>
}
