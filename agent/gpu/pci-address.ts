import { ask } from './find-devices.ts'
import type { Slot } from './slots.ts'

const QUERY = ['--query-gpu=index,uuid,pci.bus_id', '--format=csv,noheader']

/**
 * The address on the PCI bus of a slot's NVIDIA GPU, such as `00000000:65:00.0`: Vulkan knows GPUs by nothing else. Null
 * for other GPUs, and where the driver does not say.
 * @throws the signal's reason when aborted.
 */
export async function pciAddress(
  { gpu, kind }: Slot,
  signal: AbortSignal,
  nvidiaSmi = 'nvidia-smi',
): Promise<string | null> {
  if (gpu === null || kind !== 'cuda') return null
  const answer = await ask(nvidiaSmi, QUERY, { signal }, false)
  return 'problems' in answer ? null : addressIn(answer.stdoutTail, gpu)
}

/** @param gpu a number or a UUID. */
function addressIn(answer: string, gpu: string): string | null {
  for (const line of answer.split('\n')) {
    const [index, uuid, address] = line.split(',').map((cell) => cell.trim())
    if (address !== undefined && (gpu === index || gpu === uuid)) return address
  }
  return null
}
