import { createHash } from 'node:crypto'
import type { Logger } from 'pino'
import { AppError } from '../../shared/errors.ts'
import { printable } from '../../shared/printable.ts'
import type { Capabilities, Device, PausedSlot } from '../../shared/announcement.ts'
import type { Directive, HeartbeatRequest } from '../../shared/wire.ts'
import type { Ability } from '../job/requirements.ts'
import type { WorkerBoard, WorkerReport } from '../storage/worker-board.ts'

export interface WorkersOptions {
  log?: Pick<Logger, 'warn'>
  /** Where decisions are kept. */
  board?: WorkerBoard
  /** How many are known: bounds the memory that invented names take. */
  most?: number
}

/** What is known of a worker, by its last reports. In memory: agents repeat it with each heartbeat. */
export interface Worker {
  workerId: string
  state: HeartbeatRequest['state'] | null
  version: string | null
  slots: number
  device: string | null
  /** Null: not announced. */
  capabilities: Capabilities | null
  ability: Ability
  devices: readonly Device[]
  /** Slots that take no work for now. */
  paused: readonly PausedSlot[]
  contentTypes: readonly string[]
  firstSeenAt: number
  lastSeenAt: number
  /** Of its last heartbeat; null: it has sent none. */
  reportedAt: number | null
  directive: Directive
}

/** The ability of a worker with leases. One without an announcement equals no other. */
export function abilityOf(workerId: string, can: Capabilities | null): Ability {
  const text = can === null ? `worker ${workerId}` : JSON.stringify(can)
  return { key: createHash('sha256').update(text).digest('base64url').slice(0, 22), can }
}

export function newWorker(workerId: string, now: number): Worker {
  return {
    workerId,
    state: null,
    version: null,
    slots: 1,
    device: null,
    capabilities: null,
    ability: abilityOf(workerId, null),
    devices: [],
    paused: [],
    contentTypes: [],
    firstSeenAt: now,
    lastSeenAt: now,
    reportedAt: null,
    directive: 'run',
  }
}

/** Whether it takes work: neither drained by an operator nor by itself. */
export function isOpen({ directive, state }: Worker): boolean {
  return directive === 'run' && state !== 'draining'
}

/** How many jobs it does at a time. */
export function openSlots({ slots, paused }: Worker): number {
  return Math.max(0, slots - new Set(paused.map(({ slot }) => slot)).size)
}

/** What is told of it to other coordinators. */
export function reportOf(worker: Worker): WorkerReport {
  const { ability: _, directive: __, ...report } = worker
  return report
}

/**
 * A worker with what another coordinator knows of it; null: that is not newer. A coordinator that has had no heartbeat, or no
 * call for work, does not know what these say.
 * @param isKnown false: here nothing is.
 */
export function merged(here: Worker, there: WorkerReport, isKnown: boolean): WorkerReport | null {
  const isNewer = (there.reportedAt ?? 0) > (here.reportedAt ?? 0)
  const isLater = !isKnown || there.lastSeenAt > here.lastSeenAt
  if (!isNewer && !isLater) return null
  const asked = isLater && there.contentTypes.length > 0 ? there : here
  return {
    ...(isNewer ? there : reportOf(here)),
    contentTypes: asked.contentTypes,
    firstSeenAt: Math.min(here.firstSeenAt, there.firstSeenAt),
    lastSeenAt: isLater ? there.lastSeenAt : here.lastSeenAt,
  }
}

/** @param most how many are known. */
export function tooMany(workerId: string, most: number): AppError {
  const message = `${most} workers are known, which is the limit (--max-agents): '${printable(workerId, { most: 200 })}' has to wait until one of them is silent for two minutes.`
  return new AppError('too_many_requests', message)
}
