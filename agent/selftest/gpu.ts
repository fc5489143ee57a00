import { messageOf } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { deviceId, oneDeviceText, type Device } from '../gpu/device.ts'
import type { FoundDevices } from '../gpu/driver-output.ts'
import { findDevices, type FindOptions } from '../gpu/find-devices.ts'
import { planSlots, type SlotPlan } from '../gpu/slot-plan.ts'
import { expect, type Group } from './check.ts'

export interface GpuGroupOptions extends Omit<FindOptions, 'signal'> {
  gpus: SlotPlan['gpus']
}

const LIST = 'GPUs are detected'
const FIX_DRIVER =
  'Install or repair the GPU driver until nvidia-smi (AMD: rocm-smi) lists the GPU without errors; ' +
  'in a container, pass the GPUs in (docker run --gpus all).'
const FIX_NAME = 'Name the GPUs as listed here, or use --gpus all, or --gpus none.'

/**
 * Lists the GPUs, and checks those of `--gpus`. Having none is no failure: everything runs on the CPU as well, if slowly.
 */
export function gpuGroup(options: GpuGroupOptions): Group {
  const { gpus, ...programs } = options
  let found: FoundDevices = { devices: [], problems: [] }
  const names = typeof gpus === 'string' ? [] : gpus
  return {
    name: 'gpu',
    checks: [
      {
        name: LIST,
        async run() {
          found = await findDevices({ ...programs, signal: timeoutSignal(60_000) })
          return listOf(found, gpus === 'none')
        },
      },
      ...names.map((name) => ({
        name: `--gpus ${name} is there`,
        async run() {
          const { devices, problems } = found
          const error = problemWith(name, devices)
          const fix = problems.length > 0 ? FIX_DRIVER : FIX_NAME
          expect(error === null, [error, ...problems].join(' '), fix)
          return 'found'
        },
      })),
    ],
  }
}

function listOf({ devices, problems }: FoundDevices, areOff: boolean): string {
  const notes = problems.length === 0 ? [] : [...problems, FIX_DRIVER]
  if (devices.length === 0) {
    return ['No GPU was found: recognition runs on the CPU.', ...notes].join(' ')
  }
  const off = areOff ? ['Not used (--gpus none): recognition runs on the CPU.'] : []
  return [`${devices.map(lineOf).join('; ')}.`, ...off, ...notes].join(' ')
}

/** `0: NVIDIA L4, 23 GB (22.0 GB free), driver 550.54.15` */
function lineOf(device: Device): string {
  const { freeMb, driver } = device
  const free = freeMb === null ? '' : ` (${(freeMb / 1024).toFixed(1)} GB free)`
  const version = driver === null ? '' : `, driver ${driver}`
  return `${deviceId(device)}: ${oneDeviceText(device)}${free}${version}`
}

function problemWith(name: string, devices: readonly Device[]): string | null {
  try {
    planSlots({ gpus: [name], slotsPerGpu: 1, cpuSlots: 1, devices })
    return null
  } catch (error) {
    return messageOf(error)
  }
}
