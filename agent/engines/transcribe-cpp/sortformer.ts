import { AppError } from '../../../shared/errors.ts'
import { isReadable } from '../../audio/sherpa.ts'
import { readWavHeader } from '../../audio/wav.ts'
import type { SlotDiarizer } from '../../diarization/label-speakers.ts'
import { joinTurns, type Turn } from '../../diarization/turns.ts'
import { pciAddress } from '../../gpu/pci-address.ts'
import { slotEnv, type Slot } from '../../gpu/slots.ts'
import { ChildCrash } from '../../process/forked-child.ts'
import { IDLE_MS } from '../../process/idle-timeout.ts'
import { libraryEnv } from './environment.ts'
import type { Library } from './library.ts'
import { TranscribeCppProcess } from './process.ts'

/** The library takes a recording at once, with half a gigabyte for each hour of it. */
const MOST_HOURS = 4

interface Sortformer {
  library: Library
  /** The model, as GGUF. */
  file: string
  threads: number | null
}

/**
 * Tells up to four speakers apart by the Sortformer of transcribe.cpp, in a process for each recording. What the GPU
 * cannot do is done on the CPU. It reports no progress.
 */
export function sortformerDiarizer({ library, file, threads }: Sortformer): SlotDiarizer {
  const turnsOn = async (slot: Slot, wavPath: string, signal: AbortSignal): Promise<Turn[]> => {
    const { durationSeconds } = await readWavHeader(wavPath)
    const pci = await pciAddress(slot, signal)
    const process = new TranscribeCppProcess(libraryEnv(slotEnv(slot)))
    try {
      const nth = Number(slot.gpu) || 0
      const device =
        slot.gpu === null ? { kind: 'cpu' as const } : { kind: 'gpu' as const, pci, nth }
      const wait = { signal, idleMs: IDLE_MS + durationSeconds * 1000 }
      await process.load({ library: library.url, file, device, threads }, wait)
      const found = await process.speakers(wavPath, wait)
      return joinTurns(
        found.map(({ t0Ms, t1Ms, speakerId }) => ({
          start: t0Ms / 1000,
          end: Math.min(durationSeconds, t1Ms / 1000),
          speaker: String(speakerId),
        })),
      )
    } finally {
      await process.kill()
    }
  }
  return async ({ wavPath, slot, signal }) => {
    if (!(await isReadable(file))) {
      throw new AppError(
        'model_missing',
        `The diarization model '${file}' cannot be read: --speaker-sortformer must name its file.`,
      )
    }
    if ((await readWavHeader(wavPath)).durationSeconds > MOST_HOURS * 3600) {
      throw new AppError('engine_failed', `Sortformer takes up to ${MOST_HOURS} hours at once.`)
    }
    try {
      return await turnsOn(slot, wavPath, signal)
    } catch (error) {
      if (slot.gpu === null || signal.aborted || !isOfGpu(error)) throw error
      return await turnsOn({ ...slot, gpu: null }, wavPath, signal)
    }
  }
}

function isOfGpu(error: unknown): boolean {
  return (
    error instanceof ChildCrash ||
    (error instanceof AppError && ['gpu_out_of_memory', 'engine_failed'].includes(error.code))
  )
}
