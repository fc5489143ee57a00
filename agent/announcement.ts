import type { PausedSlot } from '../shared/announcement.ts'
import type { HeartbeatRequest } from '../shared/wire.ts'
import type { Equipment } from './equipment.ts'
import type { Reporter } from './progress/reporter-kinds.ts'
import type { Slots } from './gpu/slots.ts'

/**
 * What heartbeats say about this agent beside its jobs.
 * @param problem why no slot takes jobs for now; null: they do.
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

/** Reports each slot once when it pauses, and once when it resumes. */
export function pauseReporter(reporter: Reporter): (paused: Slots['paused']) => void {
  let reported = new Set<number>()
  return (paused) => {
    const now = new Set(paused.map(({ slot }) => slot))
    for (const { slot, reason } of paused) {
      if (!reported.has(slot)) reporter.event('warn', `Slot ${slot} pauses: ${reason}`)
    }
    for (const slot of reported) {
      if (!now.has(slot)) reporter.event('info', `Slot ${slot} resumes.`)
    }
    reported = now
  }
}
