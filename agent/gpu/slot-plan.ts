import { AppError } from '../../shared/errors.ts'
import { deviceId, type Device } from './device.ts'
import type { Slot } from './slots.ts'

export interface SlotPlan {
  /** By number, `rocm:1`, UUID or its beginning. */
  gpus: 'all' | 'none' | readonly string[]
  slotsPerGpu: number
  cpuSlots: number
  devices: readonly Device[]
}

/**
 * The slots of an agent, alternating between the GPUs so that the first jobs go to different ones; on the CPU without
 * GPUs.
 * @throws {AppError} `usage` for an unknown GPU.
 */
export function planSlots({ gpus, slotsPerGpu, cpuSlots, devices }: SlotPlan): Slot[] {
  const chosen = gpus === 'none' ? [] : gpus === 'all' ? largeOnes(devices) : named(gpus, devices)
  if (chosen.length === 0) {
    return Array.from({ length: cpuSlots }, (_, index) => ({ index, gpu: null }))
  }
  return Array.from({ length: chosen.length * slotsPerGpu }, (_, index) => {
    const { gpu, kind } = chosen[index % chosen.length]!
    return { index, gpu, kind }
  })
}

type Chosen = Required<Pick<Slot, 'kind'>> & { gpu: string }

/** Smaller GPUs are a processor's own graphics, and hold no model. They can be named. */
const LEAST_MB = 1024

function largeOnes(devices: readonly Device[]): Chosen[] {
  return devices
    .filter(({ memoryMb }) => memoryMb === null || memoryMb >= LEAST_MB)
    .map((device) => ({ kind: device.kind, gpu: visible(device) }))
}

function named(names: readonly string[], devices: readonly Device[]): Chosen[] {
  const chosen = names.flatMap((name) => {
    const found = devices.filter((device) => isCalled(device, name.trim(), devices[0]!.kind))
    if (found.length > 0) return found
    const there =
      devices.length === 0
        ? 'no GPU was found here. Use --gpus none for the CPU'
        : `there is ${devices.map((device) => `${deviceId(device)} (${device.name})`).join(', ')}`
    throw new AppError('usage', `There is no GPU '${name}': ${there}.`)
  })
  return [...new Set(chosen)].map((device) => ({ kind: device.kind, gpu: visible(device) }))
}

/** A bare number means the first kind of GPU present. */
function isCalled({ kind, index, uuid }: Device, name: string, firstKind: Device['kind']): boolean {
  if (name === `${kind}:${index}` || (kind === firstKind && name === String(index))) return true
  return /^(GPU|MIG)-./i.test(name) && (uuid?.toLowerCase().startsWith(name.toLowerCase()) ?? false)
}

function visible(device: Device): string {
  return device.kind === 'cuda' ? deviceId(device) : String(device.index)
}
