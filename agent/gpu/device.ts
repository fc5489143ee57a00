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

export interface FoundDevices {
  devices: Device[]
  /** Sentences for people, such as why a driver found no GPU. */
  problems: string[]
}
