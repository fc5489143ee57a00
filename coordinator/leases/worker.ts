import { createHash } from 'node:crypto'
import type { Capabilities, Device, PausedSlot } from '../../shared/announcement.ts'
import type { Directive, HeartbeatRequest } from '../../shared/wire.ts'
import type { Ability } from '../job/requirements.ts'

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
