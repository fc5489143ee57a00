import { AppError } from '../../../shared/errors.ts'
import type { BackendDevice } from './library.ts'

/** `pci`: the GPU's address on the PCI bus; null: not known. `nth`: its place among the GPUs, in the order of the bus. */
export type WantedDevice = { kind: 'cpu' } | { kind: 'gpu'; pci: string | null; nth: number }

/** Those that a model runs on faster than on the CPU; a GPU on its own before one in the processor. */
export function gpusOf(devices: readonly BackendDevice[]): BackendDevice[] {
  const own = devices.filter(({ deviceType }) => deviceType === 'gpu')
  return own.length > 0 ? own : devices.filter(({ deviceType }) => deviceType === 'igpu')
}

/**
 * The device to load a model on; null: the CPU, also where the library finds no GPU.
 * @throws {AppError} `engine_failed` when it finds GPUs, but not this one.
 */
export function deviceFor(
  wanted: WantedDevice,
  devices: readonly BackendDevice[],
): BackendDevice | null {
  if (wanted.kind === 'cpu') return null
  const gpus = gpusOf(devices)
  if (gpus.length === 0) return null
  // A GPU that two backends know appears once for each: the vendor's own is faster.
  const backend = gpus.find(({ kind }) => kind !== 'vulkan')?.kind ?? 'vulkan'
  const found = gpus
    .filter(({ kind }) => kind === backend)
    .toSorted((a, b) => ((a.deviceId ?? '') < (b.deviceId ?? '') ? -1 : 1))
  const [only, second] = found
  // Environment variables hide the slot's other GPUs from all backends but Vulkan.
  if (second === undefined) return only!
  const { pci, nth } = wanted
  const chosen =
    pci === null
      ? found[nth]
      : found.find(({ deviceId }) => deviceId !== null && samePlace(deviceId, pci))
  if (chosen !== undefined) return chosen
  const names = found.map(({ description, deviceId }) => `${description} (${deviceId ?? '?'})`)
  throw new AppError(
    'engine_failed',
    `of the GPUs that it finds, ${names.join(', ')}, none is the one to use (${pci ?? `number ${nth}`})`,
  )
}

/** `00000000:65:00.0` of nvidia-smi is `0000:65:00.0`. */
function samePlace(a: string, b: string): boolean {
  const short = (id: string): string => id.toLowerCase().replace(/^0+(?=[0-9a-f]{4}:)/, '')
  return short(a) === short(b)
}
