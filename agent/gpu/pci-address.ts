import { AppError } from '../../shared/errors.ts'
import { timeoutSignal } from '../../shared/timers.ts'
import { runChild } from '../process/run-child.ts'
import type { Slot } from './slots.ts'

const QUERY = ['--query-gpu=index,uuid,pci.bus_id', '--format=csv,noheader']
const LIMIT_MS = 10_000

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
  try {
    const limited = AbortSignal.any([signal, timeoutSignal(LIMIT_MS)])
    const { stdoutTail } = await runChild(nvidiaSmi, QUERY, { signal: limited })
    return addressIn(stdoutTail, gpu)
  } catch (error) {
    signal.throwIfAborted()
    if (error instanceof AppError || error instanceof DOMException) return null
    throw error
  }
}

/** @param gpu a number or a UUID. */
function addressIn(answer: string, gpu: string): string | null {
  for (const line of answer.split('\n')) {
    const [index, uuid, address] = line.split(',').map((cell) => cell.trim())
    if (address !== undefined && (gpu === index || gpu === uuid)) return address
  }
  return null
}
