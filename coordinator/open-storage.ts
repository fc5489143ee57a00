import type { Logger } from 'pino'
import type { Registry } from 'prom-client'
import type { AppError } from '../shared/errors.ts'
import type { TokenStore } from './access/token-store.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import { openFiles } from './file-storage.ts'
import type { Job } from './job/job.ts'
import type { JobSubscriber } from './jobs.ts'
import type { JobStore } from './storage/job-store.ts'
import type { Peers } from './storage/peers.ts'
import type { SecretStore } from './storage/secrets.ts'
import type { WorkerBoard } from './storage/worker-board.ts'
import type { Usage } from './usage/usage.ts'

/** Whether a storage works. */
export interface StorageHealth {
  /** Why no change can be taken, or null. */
  readonly failure: AppError | null
  /** The same, or why it lags behind; for everybody: without paths. */
  readonly detail: string | null
  /** Null: there is no database. */
  readonly database: 'up' | 'down' | null
  /** How many files of jobs could not be read at the start. */
  readonly quarantined: number
}

/** All that a coordinator keeps but the files of jobs: in the data folder, or in a database. */
export interface Storage {
  readonly jobs: JobStore
  readonly tokens: TokenStore
  readonly workers: WorkerBoard
  readonly secrets: SecretStore
  /** The other coordinators over the same jobs; null: there are none. */
  readonly peers: Peers | null
  /** Told of the changes of jobs first. */
  readonly usage: Usage & JobSubscriber
  /** As `removing` of {@link Jobs}: what a job has used outlives it. */
  readonly removing: (job: Job, remove: () => Promise<void>) => Promise<void>
  readonly health: StorageHealth
  /** Whether other coordinators use the data folder at the same time. */
  readonly isShared: boolean
  /** Holds what this process alone needs while it runs. */
  readonly ownDir: string
  /** The time of this machine, where jobs go by that. */
  readonly clock: Clock | null
  /** Whether the other files of a job stay although there is no such job. */
  keepsFilesOf(jobId: string): boolean
  /** Adds what is to be known of it to the metrics. */
  measure(registry: Registry): void
  /** Resolves with the reason when another coordinator may have it: close this one then. */
  readonly lost: Promise<AppError>
  /** False: it is {@link lost}. */
  isHeld(): boolean
  close(): Promise<void>
}

/** @throws {AppError} `usage` when it cannot be used, or another coordinator has it. */
export async function openStorage(config: Config, log: Logger): Promise<Storage> {
  const { database } = config
  if (database === null) return await openFiles(config, log)
  // Only now: its client is not needed for files.
  const { openDatabase } = await import('./database-storage.ts')
  return await openDatabase(config, database, log)
}
