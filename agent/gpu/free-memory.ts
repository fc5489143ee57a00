import { deviceId, type Device } from './device.ts'
import type { Slot } from './slots.ts'

/**
 * The free memory of a slot's GPU, in MiB, shared by the slots on it: the least of all slots. Null where one of them is
 * on the CPU, or its driver does not say.
 */
export function freeMemoryPerSlot(
  slots: readonly Slot[],
  devices: readonly Device[],
): number | null {
  const shares = slots.map((slot) => {
    const device = devices.find((one) => isOn(slot, one))
    const beside = slots.filter(({ gpu, kind }) => gpu === slot.gpu && kind === slot.kind)
    return device?.freeMb ? Math.floor(device.freeMb / beside.length) : null
  })
  const known = shares.filter((share) => share !== null)
  return known.length === 0 || known.length < shares.length ? null : Math.min(...known)
}

function isOn({ gpu, kind = 'cuda' }: Slot, device: Device): boolean {
  if (gpu === null || kind !== device.kind) return false
  return gpu === (kind === 'cuda' ? deviceId(device) : String(device.index))
}
