import { Counter, Gauge, type Registry } from 'prom-client'
import { SECOND } from '../../shared/duration.ts'
import { STATUSES } from '../../shared/wire.ts'
import { VERSION } from '../../shared/version.ts'
import type { OpenConnections } from '../access/open-connections.ts'
import type { Claims } from '../leases/claims.ts'
import { diskSpace } from '../blobs/disk.ts'
import type { Events } from '../events/events.ts'
import type { Jobs } from '../jobs.ts'
import type { FileJobStore } from '../storage/store.ts'
import { PRESENT, type Workers } from '../leases/workers.ts'

export interface StateSources {
  jobs: Jobs
  workers: Workers
  claims: Claims
  events: Events
  store: FileJobStore
  connections: OpenConnections
  dataDir: string
}

const WORKER_STATES = ['idle', 'running', 'draining', 'unknown', 'lost'] as const

/** What there is at the moment, looked at when somebody asks. @param typeLabel a content type as a label. */
export function gaugeState(
  registry: Registry,
  { jobs, workers, claims, events, store, connections, dataDir }: StateSources,
  typeLabel: (contentType: string) => string,
): void {
  const registers = [registry]
  gauge('morag_build_info', 'The version that runs; always 1.', () => 1, { version: VERSION })
  gauge('morag_long_polls', 'Calls that wait for work.', () => claims.waiting)
  gauge('morag_event_streams', 'Event streams that are open.', () => events.size)
  gauge('morag_journal_failing', '1: no change can be taken until a restart.', () =>
    Number(store.failure !== null),
  )
  gauge('morag_folders_behind', '1: the status folders or the journal lag behind.', () =>
    Number(store.foldersBehind !== null),
  )
  gauge(
    'morag_folders_lag_seconds',
    'How long the folders, or the journal, wait to be brought up to date.',
    () => store.folderLagMs / SECOND,
  )
  gauge(
    'morag_journal_bytes',
    'How long the journal is, both segments together.',
    () => store.journalBytes,
  )
  gauge('morag_quarantined_files', 'Files set aside at the start.', () => store.quarantined.length)

  gauge('morag_connections', 'Open connections.', () => connections.open)
  gauge(
    'morag_connections_without_token',
    'Open connections on which no token was shown yet.',
    () => connections.strangers,
  )
  new Counter({
    name: 'morag_connections_cut_total',
    help: 'Connections that were ended or refused for a limit of open ones.',
    registers,
    collect() {
      this.reset()
      this.inc(connections.cut)
    },
  })

  new Gauge({
    name: 'morag_jobs',
    help: 'Jobs, by status and content type.',
    labelNames: ['status', 'content_type'],
    registers,
    collect() {
      this.reset()
      for (const { contentType, counts } of events.tally.types()) {
        const content_type = typeLabel(contentType)
        for (const status of STATUSES) this.inc({ status, content_type }, counts[status])
      }
    },
  })
  new Gauge({
    name: 'morag_queue_oldest_age_seconds',
    help: 'How long the job that waits longest has waited for a worker.',
    labelNames: ['content_type'],
    registers,
    collect() {
      this.reset()
      const oldest = new Map<string, number>()
      for (const { contentType, oldestWaitingAt } of events.tally.types()) {
        const label = typeLabel(contentType)
        const ageMs = oldestWaitingAt === null ? 0 : Math.max(0, jobs.now() - oldestWaitingAt)
        oldest.set(label, Math.max(oldest.get(label) ?? 0, ageMs))
      }
      for (const [content_type, ageMs] of oldest) this.set({ content_type }, ageMs / SECOND)
    },
  })
  new Gauge({
    name: 'morag_workers',
    help: 'Workers of the last day, by what they last said of themselves; lost: silent for two minutes.',
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
  gauge(
    'morag_workers_set_aside',
    'Workers that get nothing for now that others can do, because they failed too often.',
    () => workers.all().filter(({ workerId }) => workers.setAsideOf(workerId) !== null).length,
  )
  new Gauge({
    name: 'morag_disk_free_bytes',
    help: "Free space of the data folder's file system.",
    registers,
    async collect() {
      const space = await diskSpace(dataDir)
      if (space !== null) this.set(space.freeBytes)
    },
  })

  function gauge(
    name: string,
    help: string,
    value: () => number,
    labels: Record<string, string> = {},
  ): void {
    new Gauge({
      name,
      help,
      labelNames: Object.keys(labels),
      registers,
      collect() {
        this.set(labels, value())
      },
    })
  }
}
