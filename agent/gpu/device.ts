/** What a recognition can run on, beside the CPU. */
export interface Device {
  kind: 'cuda' | 'rocm' | 'metal'
  /** The driver's own number, in the order of the PCI bus; several parts of one GPU (MIG) share it. */
  index: number
  /** `GPU-…` or, for a part of a GPU, `MIG-…`. */
  uuid: string | null
  name: string
  /** MiB, as the drivers count. Null where the GPU shares the machine's memory, or its driver does not tell. */
  memoryMb: number | null
  freeMb: number | null
  driver: string | null
}

/** What a look at this machine found. */
export interface FoundDevices {
  devices: Device[]
  /** For people: why a program that is there found nothing, or what it complained about. */
  problems: string[]
}
