import type { Logger } from 'pino'
import type { Access } from './access/access.ts'
import type { OpenConnections } from './access/open-connections.ts'
import type { TrustedProxies } from './access/trusted-proxies.ts'
import type { Attempts } from './leases/attempts.ts'
import type { Claims } from './leases/claims.ts'
import type { Clock } from './clock.ts'
import type { Config } from './config.ts'
import type { Events } from './events/events.ts'
import type { CallbackUrls } from './ingestion/callback-url.ts'
import type { AddressGuard } from './ingestion/address-guard.ts'
import type { Continuations } from './ingestion/continuations.ts'
import type { LocalWorker } from './ingestion/local-worker.ts'
import type { MoragClient } from './ingestion/morag-client.ts'
import type { ProgressWebhooks } from './ingestion/progress-webhooks.ts'
import type { Processors } from './ingestion/processors.ts'
import type { Intake } from './intake.ts'
import type { JobFiles } from './blobs/job-files.ts'
import type { Jobs } from './jobs.ts'
import type { Metrics } from './metrics/metrics.ts'
import type { FileJobStore } from './storage/store.ts'
import type { Upkeep } from './upkeep.ts'
import type { Views } from './views.ts'
import type { Workers } from './leases/workers.ts'

/** What the routes work with. */
export interface Services {
  config: Config
  log: Logger
  clock: Clock
  store: FileJobStore
  access: Access
  connections: OpenConnections
  trustedProxies: TrustedProxies
  jobs: Jobs
  intake: Intake
  claims: Claims
  attempts: Attempts
  files: JobFiles
  upkeep: Upkeep
  workers: Workers
  views: Views
  events: Events
  metrics: Metrics
  continuations: Continuations
  progressWebhooks: ProgressWebhooks
  /** Who can process what here, and who does. */
  processors: Processors
  localWorker: LocalWorker
  /** Where webhooks may go. */
  guard: AddressGuard
  /** Null: there is no MoRAG server. */
  morag: MoragClient | null
  /** Where it calls back. */
  callbacks: CallbackUrls
}
