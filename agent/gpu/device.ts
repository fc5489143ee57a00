export interface Device {
  kind: 'cuda' | 'rocm' | 'metal'
  /** The driver's number, in the order of the PCI bus; the parts of one GPU (MIG) share it. */
  index: number
  /** `GPU-…`, or `MIG-…` for a part of a GPU. */
  uuid: string | null
  name: string
  /** In MiB. Null where the GPU shares the machine's memory, or the driver does not say. */
  memoryMb: number | null
  freeMb: number | null
  driver: string | null
}

/** For logs and the coordinator: `2 × NVIDIA L4, 23 GB`; without GPUs `CPU`. */
export function deviceText(devices: readonly Device[]): string {
  const counts = new Map<string, number>()
  for (const device of devices) {
    const text = oneDeviceText(device)
    counts.set(text, (counts.get(text) ?? 0) + 1)
  }
  const parts = [...counts].map(([text, count]) => (count === 1 ? text : `${count} × ${text}`))
  return parts.length === 0 ? 'CPU' : parts.join('; ')
}

/** As in `--gpus`: `0`, `rocm:0`, or the UUID of a part of a GPU. */
export function deviceId({ kind, index, uuid }: Device): string {
  if (uuid?.startsWith('MIG-')) return uuid
  return kind === 'cuda' ? String(index) : `${kind}:${index}`
}

/** Name and memory: `NVIDIA L4, 23 GB`. */
export function oneDeviceText({ name, memoryMb }: Device): string {
  return memoryMb === null ? name : `${name}, ${memoryText(memoryMb)}`
}

/** Rounded up: drivers reserve some of the nominal memory. */
function memoryText(mb: number): string {
  return mb < 1024 ? `${mb} MB` : `${Math.ceil(mb / 1024)} GB`
}
