import { Gauge, type Registry } from 'prom-client'
import { SECOND } from '../../shared/duration.ts'
import { VERSION } from '../../shared/version.ts'
import { STATUSES } from '../../shared/wire.ts'
import type { OpenConnections } from '../access/open-connections.ts'
import { diskSpace } from '../blobs/disk.ts'
import type { Events } from '../events/events.ts'
import type { Jobs } from '../jobs.ts'
import type { Claims } from '../leases/claims.ts'
import { PRESENT, type Workers } from '../leases/workers.ts'
import { counterOf, gauge } from './gauge.ts'

export interface StateSources {
  jobs: Jobs
  workers: Workers
  claims: Claims
  events: Events
  connections: OpenConnections
  dataDir: string
}

const WORKER_STATES = ['idle', 'running', 'draining', 'unknown', 'lost'] as const

/** Metrics of the current state, read for each scrape. @param typeLabel the label of a content type. */
export function gaugeState(
  registry: Registry,
  { jobs, workers, claims, events, connections, dataDir }: StateSources,
  typeLabel: (contentType: string) => string,
): void {
  const registers = [registry]
  const simple: [name: string, help: string, read: () => number | Promise<number | null>][] = [
    ['morag_long_polls', 'Calls that wait for work.', () => claims.waiting],
    ['morag_event_streams', 'Open event streams.', () => events.size],
    ['morag_connections', 'Open connections.', () => connections.open],
    [
      'morag_connections_without_token',
      'Open connections without a token so far.',
      () => connections.strangers,
    ],
    [
      'morag_workers_set_aside',
      'Workers that get no jobs for now that others can do, because of failures.',
      () => workers.all().filter(({ workerId }) => workers.setAsideOf(workerId) !== null).length,
    ],
    [
      'morag_disk_free_bytes',
      "Free space of the data folder's file system.",
      async () => (await diskSpace(dataDir))?.freeBytes ?? null,
    ],
  ]
  for (const [name, help, read] of simple) gauge(registry, { name, help, read })
  gauge(registry, {
    name: 'morag_build_info',
    help: 'The running version; always 1.',
    labels: { version: VERSION },
    read: () => 1,
  })
  counterOf(registry, {
    name: 'morag_connections_cut_total',
    help: 'Connections closed or refused because of a limit.',
    read: () => connections.cut,
  })
  new Gauge({
    name: 'morag_jobs',
    help: 'Jobs, by status and content type.',
    labelNames: ['status', 'content_type'],
    registers,
    async collect() {
      this.reset()
      // While a database is away, nothing is known.
      const types = await jobs.reader.counts().catch(() => [])
      for (const { contentType, counts } of types) {
        const content_type = typeLabel(contentType)
        for (const status of STATUSES) this.inc({ status, content_type }, counts[status])
      }
    },
  })
  new Gauge({
    name: 'morag_queue_oldest_age_seconds',
    help: 'Longest wait of a job for a worker.',
    labelNames: ['content_type'],
    registers,
    async collect() {
      this.reset()
      // While a database is away, nothing is known.
      const types = await jobs.reader.counts().catch(() => [])
      const oldest = new Map<string, number>()
      for (const { contentType, oldestWaitingAt } of types) {
        const label = typeLabel(contentType)
        const ageMs = oldestWaitingAt === null ? 0 : Math.max(0, jobs.now() - oldestWaitingAt)
        oldest.set(label, Math.max(oldest.get(label) ?? 0, ageMs))
      }
      for (const [content_type, ageMs] of oldest) this.set({ content_type }, ageMs / SECOND)
    },
  })
  new Gauge({
    name: 'morag_workers',
    help: 'Workers of the last day, by their last reported state; lost: silent for two minutes.',
    labelNames: ['state'],
    registers,
    collect() {
      this.reset()
      for (const state of WORKER_STATES) this.set({ state }, 0)
      const since = jobs.now() - PRESENT
      for (const { state, lastSeenAt } of workers.all())
        this.inc({ state: lastSeenAt < since ? 'lost' : (state ?? 'unknown') })
    },
  })
}
