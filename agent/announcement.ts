import type { PausedSlot } from '../shared/announcement.ts'
import type { HeartbeatRequest } from '../shared/wire.ts'
import type { Equipment } from './equipment.ts'
import type { Reporter } from './progress/reporter-kinds.ts'
import type { Slots } from './gpu/slots.ts'

/**
 * What the coordinators are told of this agent beside its work.
 * @param problem why none of its slots takes jobs for now; null: nothing keeps it.
 */
export function announcement(
  { capabilities, devices, slots }: Pick<Equipment, 'capabilities' | 'devices' | 'slots'>,
  problem: string | null,
): Pick<HeartbeatRequest, 'capabilities' | 'devices' | 'paused'> {
  return {
    capabilities,
    devices: devices.map(({ index, name, memoryMb, driver, kind }) => ({
      index,
      name,
      memoryMb,
      driver,
      kind,
    })),
    paused: problem === null ? pausedOf(slots) : allPaused(slots.count, problem),
  }
}

function pausedOf({ paused }: Slots): PausedSlot[] {
  return paused.map(({ slot, reason, until }) => ({
    slot,
    reason,
    until: new Date(until).toISOString(),
  }))
}

function allPaused(count: number, reason: string): PausedSlot[] {
  return Array.from({ length: count }, (_, slot) => ({ slot, reason, until: null }))
}

/** Says of each slot once that it pauses, and that it goes on. */
export function pauseTeller(reporter: Reporter): (paused: Slots['paused']) => void {
  let told = new Set<number>()
  return (paused) => {
    const now = new Set(paused.map(({ slot }) => slot))
    for (const { slot, reason } of paused) {
      if (!told.has(slot)) reporter.event('warn', `Slot ${slot} pauses: ${reason}`)
    }
    for (const slot of told) {
      if (!now.has(slot)) reporter.event('info', `Slot ${slot} tries again.`)
    }
    told = now
  }
}
