import { VERSION } from '../../shared/version.ts'
import type { EngineInfo } from '../engines/engine.ts'
import type { Link } from '../work/link.ts'
import type { Slots } from '../gpu/slots.ts'
import type { Ends, JobTracker, TrackedJob } from './job-tracker.ts'

/** A running agent's status. Instants are ms. */
export interface AgentStatus {
  workerId: string
  version: string
  pid: number
  startedAt: number
  state: 'idle' | 'running' | 'draining'
  /** Null: no speech engine. */
  engine: Pick<EngineInfo, 'name' | 'model' | 'device'> | null
  converters: { contentType: string; program: string }[]
  slots: number
  paused: { slot: number; reason: string; untilAt: number }[]
  /** Why it takes no jobs for now; null: it does. */
  problem: string | null
  coordinators: {
    url: string
    isAway: boolean
    /** Why it is away. */
    reason: string | null
    waitingResults: number
  }[]
  leftovers: { folder: string; count: number }[]
  jobs: TrackedJob[]
  ends: Ends
}

export interface StatusParts {
  workerId: string
  startedAt: number
  engine: EngineInfo | null
  converters: { readonly programs: AgentStatus['converters'] }
  slots: Pick<Slots, 'count' | 'paused'>
  links: readonly Pick<Link, 'url' | 'contact' | 'outbox' | 'worker'>[]
  tracker: JobTracker
  disk: { readonly problem: string | null }
  leftovers: readonly AgentStatus['leftovers'][number][]
}

export function agentStatus(parts: StatusParts): AgentStatus {
  const { workerId, startedAt, engine, converters, slots, links, tracker, disk } = parts
  const states = links.map(({ worker }) => worker.state)
  return {
    workerId,
    version: VERSION,
    pid: process.pid,
    startedAt,
    state: states.every((state) => state === 'draining')
      ? 'draining'
      : states.includes('running')
        ? 'running'
        : 'idle',
    engine: engine && { name: engine.name, model: engine.model, device: engine.device },
    converters: converters.programs,
    slots: slots.count,
    paused: slots.paused.map(({ slot, reason, until }) => ({ slot, reason, untilAt: until })),
    problem: disk.problem,
    coordinators: links.map(({ url, contact, outbox }) => ({
      url,
      isAway: contact.isAway,
      reason: contact.reason,
      waitingResults: outbox.size,
    })),
    leftovers: [...parts.leftovers],
    jobs: tracker.jobs,
    ends: tracker.ends,
  }
}
