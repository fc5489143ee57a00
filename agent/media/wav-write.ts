import { open, type FileHandle } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'

/** Samples per second of all sound that is worked on. */
export const RATE = 16_000

/** Samples to write: of the source from a sample on, or silence. */
export type WavPart = { from: number; samples: number } | { from: null; samples: number }

const SAMPLE_BYTES = 2
const HEADER_BYTES = 44
/** Read and written at once: a recording of hours is never in memory. */
const BLOCK_BYTES = 1024 * 1024

/**
 * Writes a WAV file (16 kHz, mono, 16 bit) of parts of another.
 * @param dataOffset where the source's samples begin, in bytes.
 * @throws {AppError} `invalid_media` when the source ends before its parts do; the signal's reason when aborted.
 */
export async function writeWav(
  target: string,
  source: { file: string; dataOffset: number },
  parts: readonly WavPart[],
  signal: AbortSignal,
): Promise<void> {
  const total = parts.reduce((sum, { samples }) => sum + samples, 0)
  const input = await open(source.file, 'r')
  try {
    const out = await open(target, 'w')
    try {
      await out.write(headerOf(total))
      const buffer = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(1, total * SAMPLE_BYTES)))
      for (const { from, samples } of parts) {
        const bytes = samples * SAMPLE_BYTES
        if (from === null) await silence(out, bytes, buffer, signal)
        else await copy(input, out, source.dataOffset + from * SAMPLE_BYTES, bytes, buffer, signal)
      }
    } finally {
      await out.close()
    }
  } finally {
    await input.close()
  }
}

async function silence(
  out: FileHandle,
  bytes: number,
  buffer: Buffer,
  signal: AbortSignal,
): Promise<void> {
  buffer.fill(0)
  for (let rest = bytes; rest > 0; rest -= buffer.length) {
    signal.throwIfAborted()
    await out.writeFile(buffer.subarray(0, Math.min(rest, buffer.length)))
  }
}

/** Appends `bytes` of `source` from `position` on to `out`. */
async function copy(
  source: FileHandle,
  out: FileHandle,
  position: number,
  bytes: number,
  buffer: Buffer,
  signal: AbortSignal,
): Promise<void> {
  for (let done = 0; done < bytes;) {
    signal.throwIfAborted()
    const wanted = Math.min(buffer.length, bytes - done)
    const { bytesRead } = await source.read(buffer, 0, wanted, position + done)
    if (bytesRead === 0)
      throw new AppError('invalid_media', 'A WAV file became shorter while read.')
    await out.writeFile(buffer.subarray(0, bytesRead))
    done += bytesRead
  }
}

/** A WAV file's first 44 bytes; one of more than 4 GiB (37 hours) says the most that fits. */
function headerOf(samples: number): Buffer {
  const most = 0xffff_ffff
  const dataBytes = Math.min(samples * SAMPLE_BYTES, most - HEADER_BYTES)
  const header = Buffer.alloc(HEADER_BYTES)
  header.write('RIFF', 0, 'latin1')
  header.writeUInt32LE(dataBytes + HEADER_BYTES - 8, 4)
  header.write('WAVEfmt ', 8, 'latin1')
  header.writeUInt32LE(16, 16)
  header.writeUInt16LE(1, 20)
  header.writeUInt16LE(1, 22)
  header.writeUInt32LE(RATE, 24)
  header.writeUInt32LE(RATE * SAMPLE_BYTES, 28)
  header.writeUInt16LE(SAMPLE_BYTES, 32)
  header.writeUInt16LE(8 * SAMPLE_BYTES, 34)
  header.write('data', 36, 'latin1')
  header.writeUInt32LE(dataBytes, 40)
  return header
}
