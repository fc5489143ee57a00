import type { Capabilities, Device, PausedSlot } from '../../shared/announcement.ts'
import type { Directive, HeartbeatRequest } from '../../shared/wire.ts'
import type { Ability } from '../job/requirements.ts'
import { abilityOf } from './ability.ts'

/** What is known of a worker: what it last said, and when. In memory: it says it again within a heartbeat. */
export interface Worker {
  workerId: string
  state: HeartbeatRequest['state'] | null
  version: string | null
  slots: number
  device: string | null
  /** Null: it has not said. */
  capabilities: Capabilities | null
  /** Follows from them. */
  ability: Ability
  devices: readonly Device[]
  /** Slots that take no work for now. */
  paused: readonly PausedSlot[]
  contentTypes: readonly string[]
  firstSeenAt: number
  lastSeenAt: number
  directive: Directive
}

/** One that nothing is known of but its name. */
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

/** Whether it takes work: nobody has sent it home, and it does not leave by itself. */
export function isOpen({ directive, state }: Worker): boolean {
  return directive === 'run' && state !== 'draining'
}

/** How many jobs it does at a time. */
export function openSlots({ slots, paused }: Worker): number {
  return Math.max(0, slots - new Set(paused.map(({ slot }) => slot)).size)
}
