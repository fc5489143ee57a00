import type { HeartbeatRequest } from '../shared/wire.ts'
import type { Kit } from './kit.ts'
import type { Reporter } from './reports/reporter-kinds.ts'
import type { Slots } from './host/slots.ts'

/** What the coordinators are told of this agent beside its work. */
export function announcement({
  capabilities,
  devices,
  slots,
}: Pick<Kit, 'capabilities' | 'devices' | 'slots'>): Pick<
  HeartbeatRequest,
  'capabilities' | 'devices' | 'paused'
> {
  return {
    capabilities,
    devices: devices.map(({ index, name, memoryMb, driver, kind }) => ({
      index,
      name,
      memoryMb,
      driver,
      kind,
    })),
    paused: slots.paused.map(({ slot, reason, until }) => ({
      slot,
      reason,
      until: new Date(until).toISOString(),
    })),
  }
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
