import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'
import type { Span } from './span.ts'
import { readWavHeader } from '../media/wav.ts'

const RATE = 16_000
const SAMPLE_BYTES = 2
const HEADER_BYTES = 44
/** Read and written at once: a piece of an hour is never in memory. */
const BLOCK_BYTES = 1024 * 1024

/**
 * Writes the stretches of `wavPath` (16 kHz, mono, 16 bit, as `decode` leaves it) one after the other to `outWav`, a WAV
 * file of the same kind. Nothing is at `outWav` until it is whole.
 * @param spans in seconds; a position is the nearest sample, and what lies outside the recording is left out.
 * @returns how many seconds were written.
 * @throws {AppError} `invalid_media` when it is not such a file; the signal's reason when aborted.
 */
export async function cutWav(
  wavPath: string,
  spans: readonly Span[],
  outWav: string,
  signal: AbortSignal,
): Promise<number> {
  signal.throwIfAborted()
  const { sampleRate, channels, samples, dataOffset } = await readWavHeader(wavPath)
  if (sampleRate !== RATE || channels !== 1) {
    throw new AppError(
      'invalid_media',
      `'${wavPath}' has ${channels} channels at ${sampleRate} Hz, not one at ${RATE} Hz.`,
    )
  }
  const stretches = spans
    .map(({ start, end }) => ({ from: sampleAt(start, samples), to: sampleAt(end, samples) }))
    .filter(({ from, to }) => to > from)
  const total = stretches.reduce((sum, { from, to }) => sum + to - from, 0)
  const part = `${outWav}.part`
  try {
    const source = await open(wavPath, 'r')
    try {
      const out = await open(part, 'w')
      try {
        await out.write(headerOf(total))
        const buffer = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(1, total * SAMPLE_BYTES)))
        for (const { from, to } of stretches) {
          const at = dataOffset + from * SAMPLE_BYTES
          await copy(source, out, at, (to - from) * SAMPLE_BYTES, buffer, signal)
        }
      } finally {
        await out.close()
      }
    } finally {
      await source.close()
    }
    await rename(part, outWav)
  } finally {
    await rm(part, { force: true })
  }
  return total / RATE
}

function sampleAt(seconds: number, samples: number): number {
  return Math.min(samples, Math.max(0, Math.round(seconds * RATE)))
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
