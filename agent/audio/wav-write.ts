import { open, type FileHandle } from 'node:fs/promises'
import { AppError } from '../../shared/errors.ts'
import { RATE, SAMPLE_BYTES, wavHeader } from '../../shared/wav-header.ts'
import { readWavHeader, WavReader } from './wav.ts'

/** Samples of the source from `from` on; null: silence. */
export type WavPart = { from: number; samples: number } | { from: null; samples: number }

const BLOCK_BYTES = 1024 * 1024

interface WavSource {
  file: string
  /** In bytes. */
  dataOffset: number
}

/**
 * Writes a WAV file (16 kHz, mono, 16 bit) of parts of another.
 * @throws {AppError} `invalid_media` when the source ends before its parts do; the signal's reason when aborted.
 */
export async function writeWav(
  target: string,
  source: WavSource,
  parts: readonly WavPart[],
  signal: AbortSignal,
): Promise<void> {
  await writeSources(target, [{ source, parts }], signal)
}

/**
 * Writes WAV files (16 kHz, mono, 16 bit) one after the other, with silence after each.
 * @param silence how much, in samples; default: a second.
 * @returns how long they are together, without the silence, in seconds.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function joinWavs(
  files: readonly string[],
  target: string,
  signal: AbortSignal,
  silence = RATE,
): Promise<number> {
  const headers = await Promise.all(files.map((file) => readWavHeader(file)))
  const all = files.map((file, at) => {
    const { dataOffset, samples } = headers[at]!
    const between: WavPart[] = silence > 0 ? [{ from: null, samples: silence }] : []
    return { source: { file, dataOffset }, parts: [{ from: 0, samples }, ...between] }
  })
  await writeSources(target, all, signal)
  return headers.reduce((sum, { durationSeconds }) => sum + durationSeconds, 0)
}

async function writeSources(
  target: string,
  sources: readonly { source: WavSource; parts: readonly WavPart[] }[],
  signal: AbortSignal,
): Promise<void> {
  const all = sources.flatMap(({ parts }) => parts)
  const total = all.reduce((sum, { samples }) => sum + samples, 0)
  const buffer = Buffer.alloc(Math.min(BLOCK_BYTES, Math.max(1, total * SAMPLE_BYTES)))
  const out = await open(target, 'w')
  try {
    await out.write(wavHeader(total * SAMPLE_BYTES))
    for (const { source, parts } of sources) {
      const input = await open(source.file, 'r')
      try {
        for (const { from, samples } of parts) {
          const bytes = samples * SAMPLE_BYTES
          const at = source.dataOffset + (from ?? 0) * SAMPLE_BYTES
          if (from === null) await silence(out, bytes, buffer, signal)
          else await copy(input, out, at, bytes, buffer, signal)
        }
      } finally {
        await input.close()
      }
    }
  } finally {
    await out.close()
  }
}

/**
 * Writes the sum of WAV files (16 kHz, mono, 16 bit), as long as the longest of them.
 * @throws {AppError} `invalid_media`; the signal's reason when aborted.
 */
export async function mixWavs(
  files: readonly string[],
  target: string,
  signal: AbortSignal,
): Promise<void> {
  const readers: WavReader[] = []
  const out = await open(target, 'w')
  try {
    for (const file of files) readers.push(await WavReader.open(file))
    const total = Math.max(0, ...readers.map(({ header }) => header.samples))
    await out.write(wavHeader(total * SAMPLE_BYTES))
    const block = BLOCK_BYTES / SAMPLE_BYTES
    for (let from = 0; from < total; from += block) {
      signal.throwIfAborted()
      const count = Math.min(block, total - from)
      const sum = new Float32Array(count)
      for (const reader of readers) {
        for (const [at, sample] of (await reader.read(from, from + count)).entries()) {
          sum[at]! += sample
        }
      }
      const bytes = Buffer.alloc(count * SAMPLE_BYTES)
      for (const [at, sample] of sum.entries()) {
        bytes.writeInt16LE(Math.max(-32_768, Math.min(32_767, Math.round(sample * 32_768))), at * 2)
      }
      await out.writeFile(bytes)
    }
  } finally {
    await out.close()
    for (const reader of readers) await reader.close()
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
      throw new AppError('invalid_media', 'A WAV file was truncated while it was read.')
    await out.writeFile(buffer.subarray(0, bytesRead))
    done += bytesRead
  }
}
